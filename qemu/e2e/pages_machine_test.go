//go:build e2e

package e2e

import (
	"crypto/x509"
	"testing"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/machine"
)

// TestPagesBox: on a machine, where every process has its own user and may do what it
// must and nothing else, all pages find out what they show, and a change comes by them.
func TestPagesBox(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		machine1, _ := goOn(t, image)
		b := &pagesBox{Lab: machine1.Lab, t: t, ctx: within(t, 2*pagesLimit)}
		b.browser = browse(t, b.ctx, b.LAN1, b.awaitCertificate())
		v := b.visitor(lab.Screen{})
		v.logsIn(machine.User, machine.Password)
		for _, page := range v.menu() {
			v.opens(page.Path)
			for _, fault := range v.alerts() {
				t.Errorf("%s says %q", page.Path, fault)
			}
		}

		v.visits("SIP networks")
		v.follows("link", "Change sip next-hop lan1 udp 192.168.43.2 5060 lan2")
		hops := v.part("Next hops")
		hops.fills("Port", otherCallee)
		hops.follows("button", "Save to the candidate")
		v.visits("Candidate Preview")
		v.sees("+ sip next-hop lan1 udp 192.168.43.2 " + otherCallee + " lan2")
		v.follows("button", "Commit")
		v.sees("is in force and saved")
		b.calls(otherCallee)
	})
}

// alerts are what the page says went wrong.
func (v *visitor) alerts() []string {
	v.t.Helper()
	texts, err := lab.Script[[]string](v.ctx, v.Tab, `[...document.querySelectorAll(".fault, [role=alert]")].map(e => e.textContent.trim())`)
	v.check(err)
	return texts
}

// awaitCertificate waits until the pages are served, and gives their certificate.
func (b *pagesBox) awaitCertificate() *x509.Certificate {
	b.t.Helper()
	for {
		conn, err := b.dialTLS(nil)
		if err == nil {
			defer conn.Close()
			return conn.ConnectionState().PeerCertificates[0]
		}
		select {
		case <-b.ctx.Done():
			b.t.Fatal(err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
