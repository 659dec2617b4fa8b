package ssh

import (
	"context"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"

	"causeway/appliance/exec"
)

// Terminal is where a session of the console is held.
type Terminal struct {
	In  io.Reader
	Out io.Writer
	// PTY says that somebody types there, and Resize tells of changes of its
	// size, only the last. Without it, lines come and go.
	PTY    bool
	Size   Size
	Resize <-chan Size
}

// Size is that of a terminal.
type Size = exec.Size

// sizeMost bounds both.
const sizeMost = 1000

func sizeOf(columns, rows uint32) Size {
	return Size{Width: int(min(columns, sizeMost)), Height: int(min(rows, sizeMost))}
}

// open opens a channel that the peer asks for (RFC 4254 §5.1).
func (c *connection) open(asked ssh.NewChannel) {
	if asked.ChannelType() != "session" { // direct-tcpip, x11, direct-streamlocal@openssh.com
		asked.Reject(ssh.Prohibited, "nothing is forwarded")
		return
	}
	if err := c.seat.openChannel(); err != nil {
		asked.Reject(ssh.ResourceShortage, err.Error())
		return
	}
	plain, requests, err := asked.Accept()
	if err != nil {
		c.seat.closeChannel()
		return
	}
	c.running.Go(func() {
		defer c.seat.closeChannel()
		ch := &channel{connection: c, Channel: plain, resize: make(chan Size, 1)}
		ch.serve(requests)
	})
}

// channel is a session channel (RFC 4254 §6).
type channel struct {
	*connection
	ssh.Channel
	terminal Terminal
	resize   chan Size
	started  bool // its shell or its subsystem
}

// serve answers requests until the channel is closed, and then ends what runs
// on it.
func (c *channel) serve(requests <-chan *ssh.Request) {
	ctx, cancel := context.WithCancel(c.ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer c.Close()
	defer cancel()
	for request := range requests {
		run := c.answer(request)
		if run == nil {
			continue
		}
		running.Go(func() {
			defer c.Close()
			err := run(ctx)
			c.sessions.Add(-1)
			if err != nil && ctx.Err() == nil {
				c.Log.Warn("SSH session", "user", c.login.Operator.User, "peer", c.peer, "error", err)
			}
			c.exit(err)
		})
	}
}

// exit tells the peer how the session ended (RFC 4254 §6.10).
func (c *channel) exit(err error) {
	var status struct{ Status uint32 }
	if err != nil {
		status.Status = 1
	}
	c.SendRequest("exit-status", false, ssh.Marshal(status))
}

// answer answers a request, and gives what is to run because of it; nil:
// nothing.
func (c *channel) answer(request *ssh.Request) (run func(context.Context) error) {
	good := false
	switch request.Type {
	case "pty-req": // its modes are those of a terminal that we have none of
		var pty struct {
			Term                         string
			Columns, Rows, Width, Height uint32
			Modes                        string
		}
		if good = !c.started && ssh.Unmarshal(request.Payload, &pty) == nil; good {
			c.terminal.PTY, c.terminal.Size = true, sizeOf(pty.Columns, pty.Rows)
		}
	case "window-change":
		var window struct{ Columns, Rows, Width, Height uint32 }
		if good = c.terminal.PTY && ssh.Unmarshal(request.Payload, &window) == nil; good {
			c.resized(sizeOf(window.Columns, window.Rows))
		}
	case "shell":
		if good = !c.started; good {
			run = c.shell
		}
	case "subsystem":
		var subsystem struct{ Name string }
		rights := c.login.Rights
		if good = !c.started && ssh.Unmarshal(request.Payload, &subsystem) == nil &&
			subsystem.Name == "sftp" && (rights.FilesRead || rights.FilesWrite); good {
			run = c.files
		}
	}
	if run != nil {
		c.started = true
		c.sessions.Add(1)
	}
	if request.WantReply {
		request.Reply(good, nil)
	}
	return run
}

// resized tells the session of a size; one that it has not taken yet is out of
// date.
func (c *channel) resized(to Size) {
	select {
	case <-c.resize:
	default:
	}
	c.resize <- to
}

func (c *channel) shell(ctx context.Context) error {
	t := c.terminal
	t.In, t.Out, t.Resize = c, c, c.resize
	return c.Shell(ctx, t, *c.login)
}

func (c *channel) files(ctx context.Context) error {
	login := *c.login
	login.Operator.Origin = "sftp " + c.peer
	return c.Files(ctx, c, login)
}

// Read reads what the peer sends.
func (c *channel) Read(p []byte) (int, error) {
	n, err := c.Channel.Read(p)
	c.active()
	c.Login.Active(c.login.Session)
	return n, err
}

// Write sends to the peer. It waits while that takes nothing.
func (c *channel) Write(p []byte) (int, error) {
	n, err := c.Channel.Write(p)
	c.active()
	return n, err
}
