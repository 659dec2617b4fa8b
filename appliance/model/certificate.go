package model

// Purpose is what a certificate and its key are for. Each purpose has a
// directory of its name in CertificateDir, with the files named below.
type Purpose string

// The purposes.
const (
	ForSIP      Purpose = "sip"      // SIP over TLS: proxy reads it
	ForRADIUS   Purpose = "radius"   // RADIUS over TLS: billing reads it
	ForSSH      Purpose = "ssh"      // the host key of SSH and SFTP; no certificate
	ForWeb      Purpose = "web"      // the administration pages
	ForCOM      Purpose = "com"      // the link to COM
	ForLicense  Purpose = "license"  // the licence server
	ForCallHome Purpose = "callhome" // Call Home over HTTPS and SMTP
	ForSyslog   Purpose = "syslog"   // syslog over TLS
	ForFiles    Purpose = "files"    // web servers that files are fetched from
)

// CertificateDir is where control keeps what Purpose says.
const CertificateDir = "/bootflash/certificates"

// The files of a purpose. A process that reads them looks again when one is
// another file than it was. A key and its certificate are in one file, so that
// nobody ever finds the one without the other.
const (
	IdentityFile = "identity.pem" // the key (PKCS #8), its certificate, then those between it and its authority
	TrustFile    = "trust.pem"    // the authorities that peers' certificates must lead to
)
