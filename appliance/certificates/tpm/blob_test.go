package tpm

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/google/go-tpm/tpm2"
)

// someKey is a key whose public half is the generator of P-256 (SEC 2 §2.4.2).
func someKey(t testing.TB) *key {
	t.Helper()
	x, _ := hex.DecodeString("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
	y, _ := hex.DecodeString("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
	area := tpm2.Marshal(publicArea(tpm2.TPMSECCPoint{X: tpm2.TPM2BECCParameter{Buffer: x}, Y: tpm2.TPM2BECCParameter{Buffer: y}}))
	point, err := publicKey(area)
	if err != nil {
		t.Fatal(err)
	}
	return &key{point: point, public: area, private: []byte("what the TPM has encrypted")}
}

// resum puts the checksum right.
func resum(blob []byte) []byte {
	end := len(blob) - checksum
	return binary.BigEndian.AppendUint32(bytes.Clone(blob[:end]), crc32.Checksum(blob[:end], castagnoli))
}

func TestBlob(t *testing.T) {
	k := someKey(t)
	blob := k.blob()
	got, err := parse(blob)
	if err != nil || !got.point.Equal(k.point) || !bytes.Equal(got.private, k.private) {
		t.Fatalf("parse(blob) = %+v, %v; want the key", got, err)
	}
	for i := range blob {
		cut, changed := blob[:i], bytes.Clone(blob)
		changed[i] ^= 1
		for _, damaged := range [][]byte{cut, changed} {
			if _, err := parse(damaged); !errors.Is(err, ErrDamaged) {
				t.Errorf("parse of a blob damaged at %d = %v; want %v", i, err, ErrDamaged)
			}
		}
	}
	if _, err := parse(append(blob, 0)); !errors.Is(err, ErrDamaged) {
		t.Errorf("parse of a blob and an octet = %v; want %v", err, ErrDamaged)
	}
}

// Whatever the checksum says, only keys as ours are taken.
func TestPublicKey(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(*tpm2.TPMTPublic, *tpm2.TPMSECCPoint)
	}{
		{"not bound to a TPM", func(p *tpm2.TPMTPublic, _ *tpm2.TPMSECCPoint) { p.ObjectAttributes.FixedTPM = false }},
		{"made elsewhere", func(p *tpm2.TPMTPublic, _ *tpm2.TPMSECCPoint) { p.ObjectAttributes.SensitiveDataOrigin = false }},
		{"for encryption", func(p *tpm2.TPMTPublic, _ *tpm2.TPMSECCPoint) { p.ObjectAttributes.Decrypt = true }},
		{"with a policy", func(p *tpm2.TPMTPublic, _ *tpm2.TPMSECCPoint) { p.AuthPolicy.Buffer = make([]byte, 32) }},
		{"another curve", func(p *tpm2.TPMTPublic, _ *tpm2.TPMSECCPoint) {
			p.Parameters = tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: tpm2.TPMECCNistP384})
		}},
		{"not on the curve", func(_ *tpm2.TPMTPublic, point *tpm2.TPMSECCPoint) { point.X.Buffer[31] ^= 1 }},
		{"a long coordinate", func(_ *tpm2.TPMTPublic, point *tpm2.TPMSECCPoint) { point.Y.Buffer = make([]byte, 33) }},
		{"no point", func(_ *tpm2.TPMTPublic, point *tpm2.TPMSECCPoint) { *point = tpm2.TPMSECCPoint{} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			good, err := tpm2.Unmarshal[tpm2.TPMTPublic](someKey(t).public)
			if err != nil {
				t.Fatal(err)
			}
			point, err := good.Unique.ECC()
			if err != nil {
				t.Fatal(err)
			}
			test.spoil(good, point)
			good.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, point)
			if got, err := publicKey(tpm2.Marshal(good)); err == nil {
				t.Errorf("publicKey = %v; want an error", got)
			}
		})
	}
	rsa := tpm2.Marshal(tpm2.RSASRKTemplate)
	if got, err := publicKey(rsa); err == nil {
		t.Errorf("publicKey of an RSA key = %v; want an error", got)
	}
}

func FuzzParse(f *testing.F) {
	good := someKey(f)
	f.Add(good.blob())
	f.Add(good.blob()[:40])
	f.Add((&key{public: tpm2.Marshal(tpm2.ECCSRKTemplate)}).blob())
	f.Add((&key{public: tpm2.Marshal(tpm2.RSAEKTemplate)}).blob())
	f.Add((&key{}).blob())
	f.Fuzz(func(t *testing.T, blob []byte) {
		if len(blob) >= checksum {
			blob = resum(blob) // or nothing would get behind it
		}
		k, err := parse(blob)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("parse = %v; want %v", err, ErrDamaged)
			}
			return
		}
		if !bytes.Equal(k.blob(), blob) {
			t.Errorf("parse takes %x for %x", blob, k.blob())
		}
	})
}
