package console_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/console"
	"causeway/appliance/model"
	"causeway/appliance/network"
)

// TestSecretsAreNotRemembered: a line with a secret is not in the history,
// whatever mode it is typed in and even if it is wrong.
func TestSecretsAreNotRemembered(t *testing.T) {
	withSecret, err := config.New(network.Commands(), []config.Command{{
		Mode: config.Global, Syntax: "password KEY [METRIC]", Help: "Set it",
		Args: []config.Argument{
			{Name: "KEY", Type: config.Secret{}, Help: "It"},
			{Name: "METRIC", Type: config.Integer{Min: 1, Max: 9}, Help: "A number"},
		},
		Apply:  func(*model.Config, config.Args) error { return nil },
		Render: func(*model.Config, config.Args) []config.Args { return nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		keys, typing := io.Pipe()
		screen := &screen{}
		s, err := console.New(console.Settings{
			In: keys, Out: screen, Editing: true, Login: loggedIn(all), Grammar: withSecret, Call: newBox(t, t.TempDir()).call,
		})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- s.Run(t.Context()) }()
		io.WriteString(typing, "enable\rconfigure\rpassword one\rlan LAN1\rpass two 2\rpassword three x\rshow history\r")
		time.Sleep(time.Second)
		synctest.Wait()
		typing.Close()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want no error at the end of the input", err)
		}
		want := "show history\nenable\nconfigure\nlan LAN1\nshow history\nbox(config-lan)#\n"
		if got := screen.String(); !strings.HasSuffix(got, want) {
			t.Errorf("the screen ends in %q; want %q", got[max(0, len(got)-300):], want)
		}
	})
}
