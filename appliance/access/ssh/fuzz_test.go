package ssh

import (
	"testing"

	"golang.org/x/crypto/ssh"

	"causeway/appliance/model"
)

// FuzzRequest sends a channel requests whose content is any octets: only a
// shell and SFTP ever run, one of them, and sizes are bounded.
func FuzzRequest(f *testing.F) {
	f.Add("pty-req", ssh.Marshal(struct {
		Term       string
		A, B, C, D uint32
		Modes      string
	}{"xterm", 80, 1 << 31, 0, 0, "\x00"}))
	f.Add("window-change", ssh.Marshal(struct{ A, B, C, D uint32 }{1 << 31, 24, 0, 0}))
	f.Add("subsystem", ssh.Marshal(struct{ Name string }{"sftp"}))
	f.Add("exec", ssh.Marshal(struct{ Command string }{"reload"}))
	f.Add("shell", []byte{})
	f.Fuzz(func(t *testing.T, kind string, payload []byte) {
		c := &channel{connection: &connection{login: &model.Login{Rights: model.Rights{FilesRead: true}}}, resize: make(chan Size, 1)}
		c.terminal.PTY = kind == "window-change"
		run := c.answer(&ssh.Request{Type: kind, Payload: payload})
		if run != nil && kind != "shell" && kind != "subsystem" {
			t.Errorf("%q runs something", kind)
		}
		if run != nil && c.answer(&ssh.Request{Type: "shell"}) != nil {
			t.Error("a second session runs on the channel")
		}
		sizes := []Size{c.terminal.Size}
		if len(c.resize) > 0 {
			sizes = append(sizes, <-c.resize)
		}
		for _, size := range sizes {
			if size.Width < 0 || size.Width > sizeMost || size.Height < 0 || size.Height > sizeMost {
				t.Errorf("%q of %x gives a terminal of %v", kind, payload, size)
			}
		}
	})
}
