package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"causeway/appliance/model"
)

// emulator is swtpm, without a resource manager: what is not flushed stays, and
// it has room for three objects.
type emulator struct{ conn net.Conn }

// newEmulator starts a TPM with that state: a directory, empty for a new one.
func newEmulator(t *testing.T, state string) *emulator {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(ends[0]), "ours"), os.NewFile(uintptr(ends[1]), "theirs")
	defer ours.Close()
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	swtpm := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+state,
		"--fd", "3", "--flags", "not-need-init,startup-clear", "--terminate")
	swtpm.ExtraFiles = []*os.File{theirs}
	swtpm.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := swtpm.Start(); err != nil {
		t.Fatalf("%v (Debian package swtpm)", err)
	}
	t.Cleanup(func() {
		conn.Close()
		swtpm.Wait()
	})
	return &emulator{conn}
}

func (e *emulator) Close() error { return nil }

// Send passes a command; a response says in its head how long it is.
func (e *emulator) Send(command []byte) ([]byte, error) {
	if _, err := e.conn.Write(command); err != nil {
		return nil, err
	}
	response := make([]byte, 10)
	if _, err := io.ReadFull(e.conn, response); err != nil {
		return nil, err
	}
	rest := make([]byte, binary.BigEndian.Uint32(response[2:])-10)
	_, err := io.ReadFull(e.conn, rest)
	return append(response, rest...), err
}

func (e *emulator) tpm() *TPM {
	return &TPM{open: func() (transport.TPMCloser, error) { return e, nil }}
}

// checkSigns signs with a key and verifies.
func checkSigns(t *testing.T, signer crypto.Signer) {
	t.Helper()
	digest := sha256.Sum256([]byte("causeway"))
	signature, err := signer.Sign(nil, digest[:], crypto.SHA256)
	if err != nil || !ecdsa.VerifyASN1(signer.Public().(*ecdsa.PublicKey), digest[:], signature) {
		t.Errorf("Sign = %x, %v; want a right signature", signature, err)
	}
}

func TestSign(t *testing.T) {
	signer, _, err := newEmulator(t, t.TempDir()).tpm().New()
	if err != nil {
		t.Fatal(err)
	}
	public := signer.Public().(*ecdsa.PublicKey)
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		h := hash.New()
		h.Write([]byte("causeway"))
		signature, err := signer.Sign(rand.Reader, h.Sum(nil), hash)
		if err != nil || !ecdsa.VerifyASN1(public, h.Sum(nil), signature) {
			t.Errorf("Sign(%v) = %x, %v; want a right signature", hash, signature, err)
		}
	}
	long := sha512.Sum512(nil)
	for _, test := range []struct {
		digest []byte
		hash   crypto.Hash
	}{{long[:], crypto.SHA256}, {long[:20], crypto.SHA1}, {long[:], 0}, {nil, crypto.SHA256}} {
		if signature, err := signer.Sign(nil, test.digest, test.hash); err == nil {
			t.Errorf("Sign(%d octets, %v) = %x; want an error", len(test.digest), test.hash, signature)
		}
	}
	// What the key is for: x509 verifies the signature of a request itself.
	if _, err := x509.CreateCertificateRequest(nil, &x509.CertificateRequest{}, signer); err != nil {
		t.Errorf("CreateCertificateRequest = %v", err)
	}
}

// A key outlives the TPM's power, and nothing is left in the TPM by many.
func TestLoad(t *testing.T) {
	state := t.TempDir()
	var signers []crypto.Signer
	var blobs [][]byte
	first := newEmulator(t, state)
	for range 5 {
		signer, blob, err := first.tpm().New()
		if err != nil {
			t.Fatal(err)
		}
		signers, blobs = append(signers, signer), append(blobs, blob)
	}
	first.conn.Close()

	again := newEmulator(t, state).tpm()
	for i, blob := range blobs {
		signer, err := again.Load(blob)
		if err != nil {
			t.Fatal(err)
		}
		if !signers[i].Public().(*ecdsa.PublicKey).Equal(signer.Public()) {
			t.Errorf("key %d is another one after a restart", i)
		}
		checkSigns(t, signer)
		if signer.Public().(*ecdsa.PublicKey).Equal(signers[(i+1)%5].Public()) {
			t.Errorf("keys %d and %d are the same", i, i+1)
		}
	}
}

// A key is of use to its own TPM alone, and only until that is cleared.
func TestLoadForeign(t *testing.T) {
	e := newEmulator(t, t.TempDir())
	signer, blob, err := e.tpm().New()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newEmulator(t, t.TempDir()).tpm().Load(blob); !errors.Is(err, ErrForeign) {
		t.Errorf("Load in another TPM = %v; want %v", err, ErrForeign)
	}
	if _, err := (tpm2.Clear{AuthHandle: tpm2.TPMRHLockout}).Execute(e); err != nil {
		t.Fatal(err)
	}
	if _, err := e.tpm().Load(blob); !errors.Is(err, ErrForeign) {
		t.Errorf("Load in a TPM that was cleared = %v; want %v", err, ErrForeign)
	}
	digest := sha256.Sum256(nil)
	if _, err := signer.Sign(nil, digest[:], crypto.SHA256); !errors.Is(err, ErrForeign) {
		t.Errorf("Sign in a TPM that was cleared = %v; want %v", err, ErrForeign)
	}
}

// Our keys are not locked when others have been tried with wrong passwords.
func TestLockout(t *testing.T) {
	e := newEmulator(t, t.TempDir())
	signer, _, err := e.tpm().New()
	if err != nil {
		t.Fatal(err)
	}
	protected := tpm2.ECCSRKTemplate
	protected.ObjectAttributes.NoDA = false
	key, err := tpm2.CreatePrimary{
		PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(protected),
		InSensitive: tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{UserAuth: tpm2.TPM2BAuth{Buffer: []byte("right")}}},
	}.Execute(e)
	if err != nil {
		t.Fatal(err)
	}
	try := func() error {
		_, err := tpm2.Create{
			ParentHandle: tpm2.AuthHandle{Handle: key.ObjectHandle, Name: key.Name, Auth: tpm2.PasswordAuth([]byte("wrong"))},
			InPublic:     tpm2.New2B(publicArea(tpm2.TPMSECCPoint{})),
		}.Execute(e)
		return err
	}
	for tries := 0; !errors.Is(try(), tpm2.TPMRCLockout); tries++ {
		if tries == 100 {
			t.Fatal("the TPM is not locked")
		}
	}
	checkSigns(t, signer)
}

func TestConcurrent(t *testing.T) {
	signer, _, err := newEmulator(t, t.TempDir()).tpm().New()
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { checkSigns(t, signer) })
	}
	all.Wait()
}

// What is wrong with the TPM is told with what to do about it.
func TestRefusal(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(e *emulator) error
		want  string
	}{
		{"owner's password", func(e *emulator) error {
			_, err := tpm2.HierarchyChangeAuth{AuthHandle: tpm2.TPMRHOwner, NewAuth: tpm2.TPM2BAuth{Buffer: []byte("x")}}.Execute(e)
			return err
		}, "its owner has a password"},
		{"gone", func(e *emulator) error { return e.conn.Close() }, "make a key: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEmulator(t, t.TempDir())
			if err := test.spoil(e); err != nil {
				t.Fatal(err)
			}
			if _, _, err := e.tpm().New(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("New = %v; want %q", err, test.want)
			}
		})
	}
}

// answering is a TPM that answers everything with the same code.
type answering tpm2.TPMRC

func (a answering) Close() error { return nil }

func (a answering) Send([]byte) ([]byte, error) {
	response := binary.BigEndian.AppendUint16(nil, uint16(tpm2.TPMSTNoSessions))
	response = binary.BigEndian.AppendUint32(response, 10)
	return binary.BigEndian.AppendUint32(response, uint32(a)), nil
}

func TestRemedies(t *testing.T) {
	const session = 0x800 + 0x100 // format-1 codes say which session, handle or parameter they are about
	for _, r := range remedies {
		answer := r.answer
		if answer&0x80 != 0 {
			answer += session
		}
		broken := &TPM{open: func() (transport.TPMCloser, error) { return answering(answer), nil }}
		_, _, err := broken.New()
		if err == nil || !strings.Contains(err.Error(), r.remedy) || !errors.Is(err, r.answer) {
			t.Errorf("New of a TPM that answers 0x%x = %v; want %q", uint32(answer), err, r.remedy)
		}
	}
}

// A signature that is wrong never leaves the box.
func TestSignWrong(t *testing.T) {
	e := newEmulator(t, t.TempDir())
	one, _, err := e.tpm().New()
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := e.tpm().New()
	if err != nil {
		t.Fatal(err)
	}
	mixed := *one.(*key)
	mixed.point = other.(*key).point
	digest := sha256.Sum256(nil)
	if signature, err := mixed.Sign(nil, digest[:], crypto.SHA256); err == nil {
		t.Errorf("Sign = %x; want an error", signature)
	}
}

func TestIdentity(t *testing.T) {
	got, err := newEmulator(t, t.TempDir()).tpm().Identity()
	if err != nil {
		t.Fatal(err)
	}
	if got.Manufacturer != "IBM" || got.Model != "SW   TPM" || !strings.HasPrefix(got.Revision, "1.") || strings.Count(got.Firmware, ".") != 3 {
		t.Errorf("Identity = %+v; want swtpm's", got)
	}
	const ascii = 0x49465800 // "IFX", a zero
	value := map[tpm2.TPMPT]uint32{
		tpm2.TPMPTManufacturer: ascii, tpm2.TPMPTVendorString1: 0x534c4239, tpm2.TPMPTVendorString2: 0x36373000,
		tpm2.TPMPTFirmwareVersion1: 7<<16 | 85, tpm2.TPMPTFirmwareVersion2: 4555 << 16, tpm2.TPMPTRevision: 138,
	}
	if got, want := identity(value), (model.TPM{Manufacturer: "IFX", Model: "SLB9670", Firmware: "7.85.4555.0", Revision: "1.38"}); got != want {
		t.Errorf("identity = %+v; want %+v", got, want)
	}
}

func TestFind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tpmrm0")
	if got, err := Find(path); got != nil || err != nil {
		t.Errorf("Find without a device = %v, %v; want nothing", got, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := Find(path)
	if found == nil || err != nil {
		t.Fatalf("Find = %v, %v; want a TPM", found, err)
	}
	os.Remove(path)
	if _, err := found.Identity(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Identity of a device that went = %v; want its path", err)
	}
}
