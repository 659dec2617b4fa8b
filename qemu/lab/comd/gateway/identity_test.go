package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"causeway/qemu/lab/comd/bus"
)

// FuzzIdentify takes any two certificates for those of a box. Who they are of
// can be trusted: nobody here has the key of an authority.
func FuzzIdentify(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	issue := func(subject pkix.Name, ca bool) []byte {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: subject, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0),
			IsCA: ca, BasicConstraintsValid: ca, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			f.Fatal(err)
		}
		return der
	}
	own := issue(pkix.Name{CommonName: "Causeway FHK1234ABcd", SerialNumber: "FHK1234ABcd"}, false)
	authority := issue(pkix.Name{CommonName: "Lab COM Root CA"}, true)
	f.Add(own, authority)
	f.Add(authority, own)
	g := &Gateway{options: Options{COM: x509.NewCertPool(), Licence: x509.NewCertPool(), Now: func() time.Time { return now }}}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var chain []*x509.Certificate
		for _, der := range [][]byte{first, second} {
			if c, err := x509.ParseCertificate(der); err == nil {
				chain = append(chain, c)
			}
		}
		identity, err := g.identify(chain)
		if err != nil {
			return
		}
		if identity.By != bus.ByItself || identity.Serial == "" || len(identity.Key) != 64 {
			t.Errorf("identify(%x, %x) = %+v", first, second, identity)
		}
	})
}
