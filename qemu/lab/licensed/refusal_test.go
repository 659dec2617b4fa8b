package licensed

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"causeway/appliance/license/ela"
)

// TestRefusals has one row for each reason not to do what is asked.
func TestRefusals(t *testing.T) {
	rows := []struct {
		name string
		want string
		send func(t *testing.T, b *box) error
	}{
		{"a token that is not", ela.BadToken, func(t *testing.T, b *box) error {
			b.certificate = nil
			_, err := b.send(ela.PathRegister, b.registration("0123"))
			return err
		}},
		{"a token that was used", ela.BadToken, func(t *testing.T, b *box) error {
			token := b.token()
			other := newBox(b.world, "FHK0000OTHR")
			if _, err := other.send(ela.PathRegister, other.registration(token)); err != nil {
				t.Fatal(err)
			}
			b.certificate = nil
			b.key = newKey(t)
			_, err := b.send(ela.PathRegister, b.registration(token))
			return err
		}},
		{"a token that is over", ela.TokenExpired, func(t *testing.T, b *box) error {
			token := b.token()
			if err := b.AdvanceClock(time.Hour); err != nil {
				t.Fatal(err)
			}
			b.certificate = nil
			_, err := b.send(ela.PathRegister, b.registration(token))
			return err
		}},
		{"a CSR by another key", ela.BadCSR, func(t *testing.T, b *box) error {
			b.certificate = nil
			ask := b.registration(b.token())
			ask.CSR = b.csr(newKey(t))
			_, err := b.send(ela.PathRegister, ask)
			return err
		}},
		{"a CSR that was altered", ela.BadCSR, func(t *testing.T, b *box) error {
			ask := ela.RenewID{Common: b.common(ela.TypeRenewID), Instance: b.instance, UDI: b.udi, CSR: b.csr(newKey(t))}
			ask.CSR[len(ask.CSR)-1] ^= 1
			_, err := b.send(ela.PathRenewID, ask)
			return err
		}},
		{"a CSR for a key of P-384", ela.BadCSR, func(t *testing.T, b *box) error {
			key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.send(ela.PathRenewID, ela.RenewID{Common: b.common(ela.TypeRenewID), Instance: b.instance, UDI: b.udi, CSR: b.csr(key)})
			return err
		}},
		{"a nonce that is not", ela.BadNonce, func(t *testing.T, b *box) error {
			_, err := b.post(ela.PathAuthorize, b.sign(b.header(b.url+ela.PathAuthorize, "made-up"), b.mayI(1)))
			return err
		}},
		{"a request played again", ela.BadNonce, func(t *testing.T, b *box) error {
			jws := b.sign(b.header(b.url+ela.PathAuthorize, b.nonce()), b.mayI(1))
			if _, err := b.post(ela.PathAuthorize, jws); err != nil {
				t.Fatal(err)
			}
			_, err := b.post(ela.PathAuthorize, jws)
			return err
		}},
		{"a copy that is behind", ela.BadSeq, func(t *testing.T, b *box) error {
			b.seq--
			_, err := b.send(ela.PathAuthorize, b.mayI(1))
			return err
		}},
		{"a request for another path", ela.BadRequest, func(t *testing.T, b *box) error {
			_, err := b.post(ela.PathRenewID, b.sign(b.header(b.url+ela.PathRenewID, b.nonce()), b.mayI(1)))
			return err
		}},
		{"a request for another server", ela.BadRequest, func(t *testing.T, b *box) error {
			_, err := b.post(ela.PathAuthorize, b.sign(b.header("https://192.0.2.1"+ela.PathAuthorize, b.nonce()), b.mayI(1)))
			return err
		}},
		{"nothing of JOSE", ela.BadRequest, func(t *testing.T, b *box) error {
			_, err := b.post(ela.PathAuthorize, []byte("{}"))
			return err
		}},
		{"too long", ela.BadRequest, func(t *testing.T, b *box) error {
			_, err := b.post(ela.PathAuthorize, bytes.Repeat([]byte(" "), maxRequest+1))
			return err
		}},
		{"the box of another", ela.BadRequest, func(t *testing.T, b *box) error {
			ask := b.mayI(1)
			ask.UDI.SN = "FHK0000OTHR"
			_, err := b.send(ela.PathAuthorize, ask)
			return err
		}},
		{"a signature by another key", ela.BadSignature, func(t *testing.T, b *box) error {
			b.key = newKey(t)
			_, err := b.send(ela.PathAuthorize, b.mayI(1))
			return err
		}},
		{"an ID certificate of another", ela.BadSignature, func(t *testing.T, b *box) error {
			other := newBox(b.world, "FHK0000OTHR")
			other.register()
			other.instance, other.udi = b.instance, b.udi
			_, err := other.send(ela.PathAuthorize, other.mayI(1))
			return err
		}},
		{"an ID certificate that is over", ela.BadSignature, func(t *testing.T, b *box) error {
			if err := b.AdvanceClock(360 * day); err != nil {
				t.Fatal(err)
			}
			_, err := b.send(ela.PathAuthorize, b.mayI(1))
			return err
		}},
		{"an instance that is not", ela.UnknownInstance, func(t *testing.T, b *box) error {
			b.instance = newGUID()
			_, err := b.send(ela.PathAuthorize, b.mayI(1))
			return err
		}},
		{"an instance that has gone", ela.UnknownInstance, func(t *testing.T, b *box) error {
			if _, err := b.send(ela.PathDeregister, ela.Deregister{Common: b.common(ela.TypeDeregister), Instance: b.instance, UDI: b.udi}); err != nil {
				t.Fatal(err)
			}
			_, err := b.send(ela.PathAuthorize, b.mayI(1))
			return err
		}},
		{"an instance that was revoked", ela.Revoked, func(t *testing.T, b *box) error {
			if err := b.Revoke(b.instance); err != nil {
				t.Fatal(err)
			}
			_, err := b.send(ela.PathAuthorize, b.mayI(1))
			return err
		}},
		{"an instance that was replaced", ela.Revoked, func(t *testing.T, b *box) error {
			newBox(b.world, b.udi.SN).register()
			_, err := b.send(ela.PathAuthorize, b.mayI(1))
			return err
		}},
		{"a state that cannot be kept", ela.ServerFault, func(t *testing.T, b *box) error {
			b.file = t.TempDir() + "/none/state"
			_, err := b.send(ela.PathAuthorize, b.mayI(1))
			return err
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := newBox(newWorld(t, Options{}), "FHK1234ABcd")
			b.register()
			err := row.send(t, b)
			var refused *refusal
			if !errors.As(err, &refused) || refused.problem != row.want {
				t.Errorf("the answer is %v; want %s", err, row.want)
			}
			if log := b.Exchanges(); !strings.HasPrefix(log[len(log)-1].Result, row.want) {
				t.Errorf("the log says %q; want %s", log[len(log)-1].Result, row.want)
			}
		})
	}
}
