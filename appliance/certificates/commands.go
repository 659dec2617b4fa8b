package certificates

import (
	"context"
	"fmt"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
)

// ExecCommands declares the commands of this subject. They are IOS's, with a
// purpose where IOS has the name of a trustpoint or the label of a key.
func ExecCommands() []exec.Command {
	purpose := config.Argument{Name: "PURPOSE", Type: choice(func(row) bool { return true }), Help: "What the certificate is for"}
	certified := config.Argument{Name: "PURPOSE", Type: choice(func(r row) bool { return r.name != model.ForSSH }), Help: "What the certificate is for"}
	path := config.Argument{Name: "PATH", Type: files.PlaceType{Web: true}, Help: "A file: usb0:x, sftp://user@192.0.2.1/x, https://host.example/x; without one the text is pasted"}
	args := func(list ...config.Argument) []config.Argument { return append([]config.Argument{certified}, list...) }
	return []exec.Command{
		{Syntax: "show certificates [PURPOSE]", Args: []config.Argument{purpose}, Help: "Certificates, their keys, and whom the box trusts", Run: showCertificates},
		{Syntax: "show ssh host-key", Help: "What the box is known by over SSH", Run: showHostKey},
		{
			Syntax: "crypto key generate ec [keysize BITS] label PURPOSE", Level: exec.Privileged, Run: generate,
			Help: "Make an EC key, for the next certificate",
			Args: args(config.Argument{Name: "BITS", Type: config.Choice{"256", "384"}, Default: "256", Help: "Of the curve, P-256 or P-384"}),
		},
		{
			Syntax: "crypto key generate rsa [modulus BITS] label PURPOSE", Level: exec.Privileged, Run: generateRSA,
			Help: "Make an RSA key, for the next certificate",
			Args: args(config.Argument{Name: "BITS", Type: config.Choice{"2048", "3072", "4096"}, Default: "2048", Help: "Of the modulus"}),
		},
		{
			Syntax: "crypto key zeroize PURPOSE", Args: []config.Argument{purpose}, Level: exec.Privileged, Run: zeroize,
			Help: "Forget key and certificate; what the box cannot be without it makes anew",
		},
		{
			Syntax: "crypto pki enroll PURPOSE [self-signed] [subject-alt-name NAME...] [subject-name SUBJECT]", Level: exec.Privileged, Run: enroll,
			Help: "Print a certificate request, or have the box sign its own certificate",
			Args: args(
				config.Argument{Name: "NAME", Type: config.Host{}, Help: "Hosts and addresses that it is for (default those of the box)"},
				config.Argument{Name: "SUBJECT", Type: config.Line{}, Help: "CN=sip.example.com,O=Example (default CN is the first name)"},
			),
		},
		{
			Syntax: "crypto pki import PURPOSE certificate [PATH]", Args: args(path), Level: exec.Privileged, Run: importCertificate,
			Help: "Put a certificate in force that was issued for a request, with its chain",
		},
		{
			Syntax: "crypto pki import PURPOSE pem [PATH]", Args: args(path), Level: exec.Privileged, Run: importPEM,
			Help: "Put a certificate in force that comes with its key",
		},
		{
			Syntax: "crypto pki import PURPOSE previous", Args: args(), Level: exec.Privileged, Run: importPrevious,
			Help: "Go back to the certificate from before",
		},
		{
			Syntax: "crypto pki authenticate PURPOSE [PATH]", Args: args(path), Level: exec.Privileged, Run: authenticate,
			Help: "Trust authorities (CA)",
		},
		{
			Syntax: "crypto pki remove PURPOSE FINGERPRINT", Level: exec.Privileged, Run: distrust,
			Help: "Trust an authority no more",
			Args: args(config.Argument{Name: "FINGERPRINT", Type: fingerprintType{}, Help: "SHA-256 of its certificate, or how that begins"}),
		},
	}
}

// choice is the purposes that fit.
func choice(fits func(row) bool) (words config.Choice) {
	for _, r := range table {
		if fits(r) {
			words = append(words, string(r.name))
		}
	}
	return words
}

// fingerprintType is the beginning of a SHA-256 in hexadecimal digits, with or
// without colons. Its value is a string of lower-case digits.
type fingerprintType struct{}

// fingerprintMin is how many digits tell one from another.
const fingerprintMin = 8

// Parse reads the digits.
func (fingerprintType) Parse(word string) (any, error) {
	digits := strings.ToLower(strings.ReplaceAll(word, ":", ""))
	if len(digits) < fingerprintMin || len(digits) > 64 || strings.Trim(digits, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("%s is not %d to 64 hexadecimal digits", word, fingerprintMin)
	}
	return digits, nil
}

// Format prints them.
func (fingerprintType) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (fingerprintType) String() string { return "HEX" }

// patience is how long a key of 4096 bits, or one in a TPM, may take.
const patience = 2 * time.Minute

// ask calls a method of the store.
func ask(ctx context.Context, s exec.Session, method string, params, result any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.Call(ctx, "control", "control.certificates."+method, params, result)
}

func requestOf(s exec.Session, a config.Args) Request {
	return Request{model.Purpose(a.Text("PURPOSE")), s.Operator()}
}

func generate(ctx context.Context, s exec.Session, a config.Args) error {
	return makeKey(ctx, s, a, KeyKind{Bits: bitsOf(a)})
}

func generateRSA(ctx context.Context, s exec.Session, a config.Args) error {
	return makeKey(ctx, s, a, KeyKind{RSA: true, Bits: bitsOf(a)})
}

// bitsOf reads a number that is one of a few.
func bitsOf(a config.Args) (bits int) {
	fmt.Sscan(a.Text("BITS"), &bits) // it is a number: config.Choice
	return bits
}

func makeKey(ctx context.Context, s exec.Session, a config.Args, kind KeyKind) error {
	var made Generated
	if err := ask(ctx, s, "generate", GenerateRequest{requestOf(s, a), kind}, &made); err != nil {
		return err
	}
	where := "in a file"
	if made.InTPM {
		where = "in the TPM"
	}
	fmt.Fprintf(s, "The key is %s and waits for its certificate: crypto pki enroll %s\n", where, a.Text("PURPOSE"))
	return nil
}

func zeroize(ctx context.Context, s exec.Session, a config.Args) error {
	if err := s.Confirm(fmt.Sprintf("Key and certificate of %s are lost for good.", a.Text("PURPOSE"))); err != nil {
		return err
	}
	if err := ask(ctx, s, "zeroize", requestOf(s, a), nil); err != nil {
		return err
	}
	fmt.Fprintf(s, "Zeroized: %s\n", a.Text("PURPOSE"))
	return nil
}

func enroll(ctx context.Context, s exec.Session, a config.Args) error {
	request := EnrollRequest{
		Request:  requestOf(s, a),
		Wanted:   Wanted{Subject: a.Text("SUBJECT"), Names: a.Texts("NAME")},
		SignSelf: a.Has("self-signed"),
	}
	var answer Enrolled
	if err := ask(ctx, s, "enroll", request, &answer); err != nil {
		return err
	}
	if answer.Certificate != nil {
		return inForce(s, *answer.Certificate)
	}
	_, err := fmt.Fprint(s, answer.PEM)
	return err
}

// inForce tells what an operator has put in force.
func inForce(s exec.Session, c Certificate) error {
	fmt.Fprintln(s, "In force:")
	printCertificate(s, " ", c)
	return nil
}

// textOf is the text of a file, or pasted.
func textOf(ctx context.Context, s exec.Session, a config.Args, what string, hidden bool) ([]byte, error) {
	if a.Has("PATH") {
		return files.ReadText(ctx, s, files.PlaceOf(a, "PATH"), textMax)
	}
	text, err := s.Paste(what, hidden)
	return []byte(text), err
}

func importCertificate(ctx context.Context, s exec.Session, a config.Args) error {
	return importText(ctx, s, a, "the certificate and its chain", false)
}

func importPEM(ctx context.Context, s exec.Session, a config.Args) error {
	return importText(ctx, s, a, "the key, which is not shown, and its certificate and chain", true)
}

func importText(ctx context.Context, s exec.Session, a config.Args, what string, hidden bool) error {
	text, err := textOf(ctx, s, a, what, hidden)
	if err != nil {
		return fmt.Errorf("nothing is imported: %w", err)
	}
	return importRequest(ctx, s, ImportRequest{Request: requestOf(s, a), Text: text})
}

func importPrevious(ctx context.Context, s exec.Session, a config.Args) error {
	return importRequest(ctx, s, ImportRequest{Request: requestOf(s, a), Previous: true})
}

func importRequest(ctx context.Context, s exec.Session, request ImportRequest) error {
	var certificate Certificate
	if err := ask(ctx, s, "import", request, &certificate); err != nil {
		return err
	}
	return inForce(s, certificate)
}

func authenticate(ctx context.Context, s exec.Session, a config.Args) error {
	text, err := textOf(ctx, s, a, "the certificates of the authorities", false)
	if err != nil {
		return fmt.Errorf("nothing is trusted: %w", err)
	}
	brought, err := checkAuthorities(text, clocks{trusted: time.Unix(0, 0), set: farFuture})
	if err != nil {
		return err
	}
	for _, c := range brought {
		printCertificate(s, " ", describe(c))
	}
	if err := s.Confirm("Compare the fingerprints: peers that these vouch for are believed."); err != nil {
		return err
	}
	var added []Certificate
	if err := ask(ctx, s, "trust", TrustRequest{requestOf(s, a), text}, &added); err != nil {
		return err
	}
	fmt.Fprintf(s, "Authorities added: %d\n", len(added))
	return nil
}

// farFuture is after every certificate: control alone knows the time.
var farFuture = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

func distrust(ctx context.Context, s exec.Session, a config.Args) error {
	var removed Certificate
	err := ask(ctx, s, "distrust", DistrustRequest{requestOf(s, a), a.Text("FINGERPRINT")}, &removed)
	if err == nil {
		fmt.Fprintf(s, "Not trusted any more: %s\n", removed.Subject)
	}
	return err
}
