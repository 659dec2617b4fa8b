package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// RADIUS is FreeRADIUS as a record keeper: it stores each accounting request
// that it gets before it answers. With Users it knows who may log in instead.
type RADIUS struct {
	At     netip.AddrPort
	Secret string // that it has in common with who may send
	Named  bool   // it knows PacketCable's attributes by name; else it stores their octets, as Stored needs them
	Users  string // who may log in, as users(5) has it; empty: a record keeper

	where   *Namespace
	peers   *Peers
	dir     string
	process *Process
}

// RADIUS prepares a server in the namespace. dir is an empty folder for
// its files, which outlive it. It does not run yet.
func (n *Namespace) RADIUS(peers *Peers, dir string, keeper RADIUS) (*RADIUS, error) {
	r := &keeper
	r.where, r.peers, r.dir = n, peers, dir
	for name, text := range map[string]string{
		"radiusd.conf":              r.config(),
		"dictionary":                "",
		"dictionary.all/dictionary": r.dictionary(),
		"users":                     r.Users,
	} {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err = errors.Join(err, os.WriteFile(path, []byte(text), 0o600)); err != nil {
			return nil, fmt.Errorf("prepare FreeRADIUS: %w", err)
		}
	}
	return r, nil
}

func (r *RADIUS) config() string {
	return fmt.Sprintf(`prefix = %[1]s/usr
localstatedir = %[2]s
logdir = %[2]s
run_dir = %[2]s
libdir = %[1]s/usr/lib/freeradius
max_requests = 65536
security {
	max_attributes = 1000
	status_server = yes
}
thread pool {
	start_servers = 2
	max_servers = 4
	min_spare_servers = 1
	max_spare_servers = 2
	max_requests_per_server = 0
}
client any {
	ipaddr = 0.0.0.0/0
	secret = "%[3]s"
}
modules {
	detail stored {
		filename = %[2]s/detail
		locking = yes
		permissions = 0600
		header = "%%t"
	}
	always ok {
		rcode = ok
	}
	files {
		filename = %[2]s/users
	}
	pap {
	}
}
server %[6]s {
	listen {
		type = %[6]s
		ipaddr = %[4]s
		port = %[5]d
	}
	%[7]s
}
`, r.peers.Root, r.dir, r.Secret, r.At.Addr(), r.At.Port(), r.kind(), r.sections())
}

// kind is which requests it takes, as listen has it.
func (r *RADIUS) kind() string {
	if r.Users == "" {
		return "acct"
	}
	return "auth"
}

// sections are what it does with a request.
func (r *RADIUS) sections() string {
	if r.Users == "" {
		return "preacct {\n ok\n }\n accounting {\n stored\n }"
	}
	// Releases before 3.2.5 sign their answers on request only.
	return "authorize {\n update reply {\n Message-Authenticator = 0x00\n }\n files\n pap\n }\n authenticate {\n pap\n }"
}

// dictionary gives the attributes that the server knows by name. The stock
// dictionary takes what PacketCable writes as two octets for four, and does not
// know ours.
func (r *RADIUS) dictionary() string {
	names := []string{"rfc2865", "rfc2866", "rfc2869", "freeradius", "freeradius.internal"}
	if r.Named {
		names = append(names, "cablelabs")
	}
	if r.Users != "" {
		names = append(names, "cisco")
	}
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, "$INCLUDE %s/dictionary.%s\n", r.stockDictionaries(), name)
	}
	if r.Named {
		text.WriteString(`VENDOR CableLabs 4491
BEGIN-VENDOR CableLabs
ATTRIBUTE PKTC-Direction-Indicator 37 short
ATTRIBUTE PKTC-Flow-Direction 50 short
VALUE PKTC-Direction-Indicator Originating 1
VALUE PKTC-Direction-Indicator Terminating 2
VALUE PKTC-Flow-Direction Upstream 1
VALUE PKTC-Flow-Direction Downstream 2
END-VENDOR CableLabs
VENDOR Appliance 32473
BEGIN-VENDOR Appliance
ATTRIBUTE Appl-Media-Session-Desc 1 octets
END-VENDOR Appliance
`)
	}
	return text.String()
}

func (r *RADIUS) stockDictionaries() string {
	return filepath.Join(r.peers.Root, "usr/share/freeradius")
}

// Start starts it on the files of its last life and waits until it serves.
func (r *RADIUS) Start(ctx context.Context) error {
	command, err := r.peers.Command(ctx, "freeradius", "-f", "-l", "stdout", "-d", r.dir, "-D", filepath.Join(r.dir, "dictionary.all"))
	if err != nil {
		return err
	}
	if r.process, err = r.where.Run("FreeRADIUS", command); err != nil {
		return err
	}
	if _, err := r.process.Await(ctx, `Ready to process requests$`); err != nil {
		r.process.Kill()
		return err
	}
	return nil
}

// Send has radclient, FreeRADIUS's own client, send it the requests of a file,
// that many side by side. It fails unless all are acknowledged.
func (r *RADIUS) Send(ctx context.Context, file string, parallel int) error {
	command, err := r.peers.Command(ctx, "radclient", "-q", "-p", strconv.Itoa(parallel), "-r", "10", "-t", "2", "-d", r.dir,
		"-D", filepath.Join(r.dir, "dictionary.all"), "-f", file, r.At.String(), "acct", r.Secret)
	if err != nil {
		return err
	}
	radclient, err := r.where.Run("radclient", command)
	if err != nil {
		return err
	}
	<-radclient.exited
	if radclient.status != nil {
		return fmt.Errorf("radclient: %w: %s", radclient.status, tail(radclient.Output(), 10))
	}
	return nil
}

// Kill ends it as a fault would (SIGKILL).
func (r *RADIUS) Kill() { r.process.Kill() }

// Freeze stops it without an end: nothing refuses what is sent to it, and
// nothing answers.
func (r *RADIUS) Freeze() error { return r.signal(syscall.SIGSTOP) }

// Thaw has it go on.
func (r *RADIUS) Thaw() error { return r.signal(syscall.SIGCONT) }

func (r *RADIUS) signal(signal syscall.Signal) error {
	if err := r.process.command.Process.Signal(signal); err != nil {
		return fmt.Errorf("send %s to FreeRADIUS: %w", signal, err)
	}
	return nil
}

// Output is what its present life has printed.
func (r *RADIUS) Output() string { return r.process.Output() }
