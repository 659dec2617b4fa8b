package licensed

import (
	"testing"

	"causeway/appliance/license/ela"
)

// FuzzParse gives the parser anything: what it takes has all members that the
// rest of the server relies on.
func FuzzParse(f *testing.F) {
	b := newBox(newWorld(f, Options{}), "FHK1234ABcd")
	f.Add(b.sign(b.header(b.url+ela.PathRegister, b.nonce()), b.registration("0123")))
	b.register()
	for _, message := range []any{
		b.mayI(2),
		ela.RenewID{Common: b.common(ela.TypeRenewID), Instance: b.instance, UDI: b.udi, CSR: b.csr(b.key)},
		ela.Deregister{Common: b.common(ela.TypeDeregister), Instance: b.instance, UDI: b.udi},
	} {
		f.Add(b.sign(b.header(b.url, b.nonce()), message))
	}
	f.Add([]byte(`{"payload":"e30","protected":"eyJhbGciOiJFUzI1NiJ9","signature":"AA"}`))
	f.Add([]byte(`{"payload":"e30","signatures":[{"protected":"eyJhbGciOiJFUzI1NiJ9","signature":"AA"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parse(text)
		if err != nil {
			return
		}
		c := r.message.common()
		if r.typ != c.Type || len(c.CNonce) != 32 || c.Seq == 0 || len(r.sha256) != 64 {
			t.Errorf("parse(%q) = %+v", text, r)
		}
		if (r.message.instanceID() == "") != (r.path == ela.PathRegister) {
			t.Errorf("parse(%q) = a request of %s by instance %q", text, r.path, r.message.instanceID())
		}
	})
}
