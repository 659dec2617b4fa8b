//go:build e2e

package e2e

import (
	"crypto/x509"
	"encoding/pem"
	"path/filepath"
	"regexp"
	"testing"

	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// saidFingerprint is in what show certificates prints of a certificate.
var saidFingerprint = regexp.MustCompile(`[0-9a-f]{64}`)

// TestAccessTPM has a box make the key of its link to COM in its TPM. The key stays
// over a reboot, another one signs a request after it, and on a box without that TPM
// the same files are of no use.
func TestAccessTPM(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		disk := filepath.Join(t.TempDir(), "disk.img")
		if err := image.CopyDisk(disk); err != nil {
			t.Fatal(err)
		}
		box := boot(t, smoke.Setup{Image: image, FromDisk: true, Disk: disk, TPM: filepath.Join(t.TempDir(), "tpm")})
		contains(t, "show inventory", command(t, box, "show inventory"), `NAME: "TPM", DESCR: "TPM 2.0, revision 1.`, "PID: IBM SW   TPM")
		before := awaitCommand(t, box, "show certificates com", "EC P-256, in the TPM")
		contains(t, "crypto key generate", command(t, box, "crypto key generate ec label license"), "in the TPM")

		reload(t, box)
		after := awaitCommand(t, box, "show certificates com", "EC P-256, in the TPM")
		if was, is := saidFingerprint.FindString(before), saidFingerprint.FindString(after); was == "" || is != was {
			t.Errorf("show certificates com =\n%s\nafter a reboot; want the certificate %s", after, was)
		}
		block, _ := pem.Decode([]byte(command(t, box, "crypto pki enroll license")))
		if block == nil {
			t.Fatal("crypto pki enroll license prints no request")
		}
		request, err := x509.ParseCertificateRequest(block.Bytes)
		if err == nil {
			err = request.CheckSignature()
		}
		if err != nil {
			t.Errorf("what the TPM has signed: %v", err)
		}
		powerOff(t, box)

		thief := boot(t, smoke.Setup{Image: image, Disk: disk})
		refused := awaitCommand(t, thief, "show certificates com", "the key is in a TPM, and this box has none")
		if saidFingerprint.MatchString(refused) {
			t.Errorf("show certificates com =\n%s\nwithout the TPM; want no certificate in use", refused)
		}
	})
}
