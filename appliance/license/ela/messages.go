package ela

import "time"

// MediaType is that of requests and answers: a JWS in its flattened JSON form
// (RFC 7515 §7.2.2).
const MediaType = "application/jose+json"

// The paths below the address of a licence server.
const (
	PathNonce      = "/ela/v1/nonce"
	PathRegister   = "/ela/v1/register"
	PathAuthorize  = "/ela/v1/authorize"
	PathRenewID    = "/ela/v1/renew-id"
	PathDeregister = "/ela/v1/deregister"
)

// NonceHeader brings the nonce for the next request, with every answer.
const NonceHeader = "Replay-Nonce"

// JWSType is the typ of every JWS.
const JWSType = "ela+jws"

// Header is what a JWS protects beside alg (always ES256) and typ (JWSType).
// A request with the path of another, or of another server, is refused.
type Header struct {
	KeyID      string `json:"kid"`                // of a request: ID certificate's serial number in hex, or "" with jwk; of an answer: the signing certificate's
	Thumbprint string `json:"x5t#S256,omitempty"` // of the certificate that signs (RFC 7515 §4.1.8)
	URL        string `json:"url,omitempty"`      // of a request: where it is sent; offline: the path alone
	Nonce      string `json:"nonce,omitempty"`    // of a request: the server's; offline: none
}

// UDI says which box this is (L-37, rows 2 to 4).
type UDI struct {
	PID string `json:"pid"` // product
	SN  string `json:"sn"`  // serial number, 11 characters
}

// String is "PID:SN".
func (u UDI) String() string { return u.PID + ":" + u.SN }

// Common opens every request.
type Common struct {
	Type   string    `json:"typ"`    // TypeRegister, …
	CNonce string    `json:"cnonce"` // 128 random bits, hex
	Seq    uint64    `json:"seq"`    // grows with every request of an instance, over all its life
	Time   time.Time `json:"ts"`
}

// The types of requests and of answers.
const (
	TypeRegister   = "reg-req"
	TypeRegistered = "reg-resp"
	TypeAuthorize  = "mmi-req" // Mother May I
	TypeAuthorized = "mmi-resp"
	TypeRenewID    = "idr-req"
	TypeRenewedID  = "idr-resp" // with the members of a registration
	TypeDeregister = "dereg-req"
	TypeGone       = "dereg-resp"
)

// Register asks for an identity (L-38). It is signed by the key of the CSR,
// which stands in the header jwk.
type Register struct {
	Common
	Token       string `json:"token"` // of the account, made in the server's portal
	SoftwareTag string `json:"software_tag"`
	UDI         UDI    `json:"udi"`
	CSR         []byte `json:"csr"` // PKCS #10, DER (RFC 2986)
	Agent       string `json:"agent,omitempty"`
	HostName    string `json:"hostname,omitempty"`
}

// RenewID asks for a new ID certificate. It is signed by the present one.
type RenewID struct {
	Common
	Instance string `json:"product_instance_id"`
	UDI      UDI    `json:"udi"`
	CSR      []byte `json:"csr"`
}

// Deregister gives the licences back.
type Deregister struct {
	Common
	Instance string `json:"product_instance_id"`
	UDI      UDI    `json:"udi"`
}

// Authorize is Mother May I (L-41). It is signed by the ID certificate.
type Authorize struct {
	Common
	Instance      string        `json:"product_instance_id"`
	SigningSerial string        `json:"signing_cert_sn"` // of the server's certificate that the box knows; the answer may be by another
	UDI           UDI           `json:"udi"`
	Entitlements  []Entitlement `json:"entitlements"`
	Agent         string        `json:"agent,omitempty"`
	HostName      string        `json:"hostname,omitempty"`
}

// Entitlement is what the box asks for.
type Entitlement struct {
	Tag       string    `json:"tag"`
	Version   string    `json:"version"`
	Count     int       `json:"count"` // licences, not calls per second
	Requested time.Time `json:"requested_date"`
}

// Answered opens every answer.
type Answered struct {
	Type          string    `json:"typ"`
	CNonce        string    `json:"cnonce"`     // of the request
	Seq           uint64    `json:"seq"`        // of the request
	RequestSHA256 string    `json:"req_sha256"` // of the request's payload, hex
	Time          time.Time `json:"ts"`         // of the server: the box's trusted time is never before it
}

// Registered is who the box is from now on (L-39).
type Registered struct {
	Answered
	Instance       string    `json:"product_instance_id"` // GUID
	IDCertificate  string    `json:"id_cert_pem"`
	Chain          string    `json:"chain_pem"`        // of it, up to but without the root
	IDSerial       string    `json:"id_cert_sn"`       // hex
	SigningPEM     string    `json:"signing_cert_pem"` // signing certificates that may be met from now on, each followed by its chain
	SigningSerial  string    `json:"signing_cert_sn"`  // of one of them
	SignatureType  string    `json:"signature_type"`   // "SHA256"
	RenewInterval  int64     `json:"renew_interval"`   // seconds (L-61)
	NotAfter       time.Time `json:"not_after"`
	SmartAccount   string    `json:"smart_account"`
	VirtualAccount string    `json:"virtual_account"`
}

// Authorized is the answer to Mother May I (L-42).
type Authorized struct {
	Answered
	Start         time.Time  `json:"start_date"`
	Compliance    string     `json:"compliance_status"` // InCompliance, OutOfCompliance or InvalidTag
	Entitlements  []Entitled `json:"entitlements"`
	Expiry        int64      `json:"expiry"`         // seconds from ts to start_date + 90 days (L-62)
	RenewInterval int64      `json:"renew_interval"` // seconds until the next request
	RetryInterval int64      `json:"retry_interval"` // seconds until the next request while out of compliance (L-65)
}

// Entitled is what became of an entitlement.
type Entitled struct {
	Tag    string `json:"tag"`
	Count  int    `json:"count"`
	Status string `json:"status"` // as compliance_status
}

// What compliance_status says.
const (
	InCompliance    = "IC"
	OutOfCompliance = "OOC"
	InvalidTag      = "INVALID_TAG"
)

// Gone answers a deregistration.
type Gone struct{ Answered }

// Problem is why a server does not do what it was asked (RFC 9457), as
// application/problem+json. It is not signed: whoever is on the way can make
// one, so it changes nothing but when the next request is sent.
type Problem struct {
	Type   string `json:"type"` // one of the ProblemTypes
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	Status int    `json:"status"` // of HTTP
}

// The types of problems.
const (
	BadToken        = "bad-token"
	TokenExpired    = "token-expired"
	BadNonce        = "bad-nonce" // one more try with the nonce of this answer
	BadSeq          = "bad-seq"   // not larger than one that this instance has used: a copy of it is about
	BadRequest      = "bad-request"
	BadSignature    = "bad-signature"
	BadCSR          = "bad-csr"
	UnknownInstance = "unknown-instance"
	Revoked         = "revoked"
	RateLimited     = "rate-limited"
	ServerFault     = "server"
)

// RequestFile and ReplyFile end the names of files that carry an exchange.
const (
	RequestFile = ".ela-req"
	ReplyFile   = ".ela-resp"
)
