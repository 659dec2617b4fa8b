package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
)

// Baresip is a user agent over TLS with neither microphone nor loudspeaker. It
// answers every call, and hangs up when it is stopped.
type Baresip struct {
	User  string
	Local netip.AddrPort // where it listens over TLS
	Via   netip.AddrPort // listen point of a box that its requests go to, over TLS
	// Identity is a folder with its chain in certificate.pem, the key in key.pem
	// and the authorities that it trusts in trust.pem.
	Identity string
	Calls    string // URI to call as soon as it runs; empty: none
}

// Baresip starts it in the namespace and waits until it listens.
func (n *Namespace) Baresip(ctx context.Context, dir string, b Baresip) (*Process, error) {
	if err := b.configure(dir); err != nil {
		return nil, fmt.Errorf("prepare baresip: %w", err)
	}
	args := []string{"-f", dir, "-v"}
	if b.Calls != "" {
		args = append(args, "-e", "/dial "+b.Calls)
	}
	baresip, err := n.Run("baresip (Debian package baresip-core)", exec.CommandContext(ctx, "baresip", args...))
	if err != nil {
		return nil, err
	}
	if _, err := baresip.Await(ctx, `^baresip is ready\.$`); err != nil {
		baresip.Kill()
		return nil, err
	}
	return baresip, nil
}

// configure writes its files into dir, which is empty.
func (b Baresip) configure(dir string) error {
	var pair []byte // it wants both in one file
	for _, name := range []string{"certificate.pem", "key.pem"} {
		part, err := os.ReadFile(filepath.Join(b.Identity, name))
		if err != nil {
			return err
		}
		pair = append(pair, part...)
	}
	below := netip.AddrPortFrom(b.Local.Addr(), b.Local.Port()-1) // of UDP and TCP; TLS takes the port after it
	for name, text := range map[string]string{
		"pair.pem": string(pair),
		"contacts": "",
		"accounts": fmt.Sprintf("<sip:%s@%s;transport=tls>;regint=0;answermode=auto;outbound=\"sip:%s;transport=tls\"\n", b.User, b.Local.Addr(), b.Via),
		"config": fmt.Sprintf("sip_listen %s\nsip_certificate %s\nsip_cafile %s\n", below, filepath.Join(dir, "pair.pem"), filepath.Join(b.Identity, "trust.pem")) +
			"module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule_app account.so\nmodule_app contact.so\nmodule_app menu.so\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
