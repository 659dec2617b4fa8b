package load

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/lab/comd"
)

// comServerAt are the ports of the COM server, which is known as comName.
var comServerAt = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:443"), netip.MustParseAddrPort("127.0.0.1:8443")}

const comName = "com.example.com"

// comServer is a COM server in a process of its own, whose memory and time are
// its own.
type comServer struct {
	program string
	where   *lab.Namespace
	beat    time.Duration
	dir     string // of its state
	process *lab.Process
}

// prepare makes the state of a new server, with that in it.
func (s *comServer) prepare(with func(*comd.Server) error) (err error) {
	if s.dir, err = os.MkdirTemp("", "causeway-com-"); err != nil {
		return err
	}
	server, err := comd.New(comd.Options{Dir: s.dir, Names: []string{comName}})
	if err != nil {
		return err
	}
	return errors.Join(with(server), server.Close(0))
}

// start starts it and gives its memory without links.
func (s *comServer) start(ctx context.Context) (emptyKB int, err error) {
	var listen []string
	for _, at := range comServerAt {
		listen = append(listen, at.String())
	}
	command := exec.Command(s.program, "comd", "-dir", s.dir, "-names", comName, "-listen", strings.Join(listen, ","),
		"-heartbeat", s.beat.String())
	if s.process, err = s.where.Run("comd", command); err != nil {
		return 0, err
	}
	if _, err := s.process.Await(ctx, `^for operators: `); err != nil {
		return 0, err
	}
	used, err := s.usage()
	return used.MemoryKB, err
}

// usage is what it has used in its present life.
func (s *comServer) usage() (lab.Used, error) { return lab.Usage(s.process.PID()) }

// kill ends it as a fault would (SIGKILL).
func (s *comServer) kill() { s.process.Kill() }

// close ends it and removes its state. It fails when it has ended before.
func (s *comServer) close() error {
	var err error
	if s.process != nil {
		err = s.process.Stop()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
