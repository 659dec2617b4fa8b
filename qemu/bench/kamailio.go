package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"causeway/qemu/lab"
	"causeway/qemu/load"
)

// kamailioConfig is a stateful, record-routing proxy with one next hop for each
// pair of SIPp, and no more: %d worker processes, %s the folder of its modules,
// %s the next hops. It answers OPTIONS, so that one can wait for it.
const kamailioConfig = `#!KAMAILIO
debug=0
log_stderror=yes
fork=yes
children=%d
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:5060
mpath="%s/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
modparam("tm", "fr_timer", 5000)
modparam("tm", "fr_inv_timer", 30000)

request_route {
	if (!mf_process_maxfwd_header("10")) {
		sl_send_reply("483", "Too Many Hops");
		exit;
	}
	if (is_method("CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	if (has_totag()) {
		if (loose_route()) {
			t_relay();
			exit;
		}
		if (is_method("ACK")) {
			if (t_check_trans()) t_relay();
			exit;
		}
		sl_send_reply("404", "Not here");
		exit;
	}
	t_check_trans();
	if (is_method("INVITE")) record_route();
	if (is_method("OPTIONS")) {
		sl_send_reply("200", "OK");
		exit;
	}
%s	t_relay();
}
`

// kamailio is a running Kamailio: the leader of a process group of its own.
type kamailio struct {
	command *exec.Cmd
	output  *bytes.Buffer
	dir     string
}

// startKamailio starts it in the foreground with the tlsf allocators: Debian's
// default one is several times slower and would flatter us.
func startKamailio(ctx context.Context, peers *lab.Peers, where *lab.Namespace, children, pairs int) (*kamailio, error) {
	modules, err := peers.Glob("usr/lib/*/kamailio/modules")
	if err != nil {
		return nil, fmt.Errorf("start Kamailio: %w", err)
	}
	dir, err := os.MkdirTemp("", "causeway-kamailio-")
	if err != nil {
		return nil, fmt.Errorf("start Kamailio: %w", err)
	}
	config := filepath.Join(dir, "kamailio.cfg")
	if err := os.WriteFile(config, fmt.Appendf(nil, kamailioConfig, children, modules[0], kamailioHops(pairs)), 0o600); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start Kamailio: %w", err)
	}
	k := &kamailio{output: &bytes.Buffer{}, dir: dir}
	k.command, err = peers.Command(ctx, "kamailio", "-f", config, "-m", "1024", "-M", "16", "-x", "tlsf", "-X", "tlsf", "-DD", "-E",
		"-Y", dir, "-P", filepath.Join(dir, "pid"))
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start Kamailio: %w", err)
	}
	k.command.Cancel = func() error { return k.command.Process.Signal(syscall.SIGTERM) } // it ends its children
	k.command.Stdout, k.command.Stderr = k.output, k.output
	k.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := where.Start(k.command); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start Kamailio: %w", err)
	}
	return k, nil
}

// kamailioHops are the lines that choose the next hop; of a sole pair there is
// nothing to choose.
func kamailioHops(pairs int) string {
	lines := fmt.Sprintf("\t$du = \"sip:%s\";\n", load.CalleeAt(0))
	for pair := 1; pair < pairs; pair++ {
		lines += fmt.Sprintf("\tif ($rU == %q) $du = \"sip:%s\";\n", load.Number(pair), load.CalleeAt(pair))
	}
	return lines
}

// Counted takes its word: it has no table and no admission control to count in.
func (k *kamailio) Counted(context.Context, int) error { return nil }

// PID is its first process, which leads the group of all its processes.
func (k *kamailio) PID() int { return k.command.Process.Pid }

// Close ends all its processes. It fails when Kamailio had ended before.
func (k *kamailio) Close() error {
	defer os.RemoveAll(k.dir)
	if err := k.command.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("end Kamailio: %w", err)
	}
	if err := k.command.Wait(); err != nil {
		return fmt.Errorf("end Kamailio: %w: %s", err, k.output)
	}
	return nil
}
