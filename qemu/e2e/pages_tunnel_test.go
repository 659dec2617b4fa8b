//go:build e2e

package e2e

import (
	"crypto/tls"
	"errors"
	"testing"

	"causeway/appliance/com/wire"
	"causeway/qemu/lab"
	"causeway/qemu/lab/comd"
)

// TestPagesTunnel has an operator at COM look at the pages of a box through
// `comctl tunnel`: COM sees neither what they say nor the password.
func TestPagesTunnel(t *testing.T) {
	t.Parallel()
	b := newSubscribedBox(t, "com service tunnel-web\n"+pagesUsers, nil, comd.Options{})
	ctx := within(t, pagesLimit)
	address := b.tunnel(wire.ToWeb)
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	b.check(err)
	certificate := conn.ConnectionState().PeerCertificates[0]
	conn.Close()
	here, err := lab.Here()
	b.check(err)
	defer here.Close()
	v := newVisitor(t, ctx, browse(t, ctx, here, certificate), "https://"+address, lab.Screen{})
	v.logsIn("anna", pagesPassword)
	v.opens("/")
	v.sees("Dashboard")
	b.audited("web com "+comActor, "anna")
	b.does("tcp web", "sessions", b.Serial)
	b.commit("no com service tunnel-web\n")
	b.eventually(func() error {
		if err := v.Open(ctx, v.base); err == nil && v.Status() == 200 {
			return errors.New("the tunnel is open after it was switched off")
		}
		return nil
	})
	v.Faults() // the line is gone
}
