package console

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/term"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Options say where the session of the serial port finds its surroundings. The
// zero value is that of the appliance: the standard files of the process.
type Options struct {
	Grammar   *config.Grammar // of the configuration
	Words     config.Words    // help of the keywords that EXEC commands share
	Commands  []exec.Command  // of the subjects
	In        io.Reader       // os.Stdin if nil; a terminal is put in raw mode while Run runs
	Out       io.Writer       // os.Stdout if nil
	RunDir    string          // where the link sockets are; link.RunDir if empty
	BuildFile string          // the image's build.json; /etc/causeway/build.json if empty
	// ControlWait is how long the first prompt waits for control to come up
	// at boot; 5 s if zero.
	ControlWait time.Duration
}

// Flags declares the options on a flag set, with the box's own values as
// defaults.
func (o *Options) Flags(set *flag.FlagSet) {
	set.StringVar(&o.RunDir, "run", link.RunDir, "`directory` of the sockets")
}

// Run holds sessions on the serial port until its input ends, which is no
// error, or ctx does. A read of the port may be left behind then: Run is the
// last thing its process does.
func Run(ctx context.Context, o Options) error {
	settings := Settings{
		In: o.In, Out: o.Out, Origin: "console",
		Grammar: o.Grammar, Words: o.Words, Commands: o.Commands,
		ControlWait: o.ControlWait,
	}
	if o.In == nil {
		settings.In = os.Stdin
	}
	if o.Out == nil {
		settings.Out = os.Stdout
	}
	if o.RunDir == "" {
		o.RunDir = link.RunDir
	}
	settings.Call = func(ctx context.Context, process, method string, params, result any) error {
		return link.Call(ctx, link.Socket(o.RunDir, process), method, params, result)
	}
	if o.BuildFile == "" {
		o.BuildFile = "/etc/causeway/build.json"
	}
	settings.Build = readBuild(o.BuildFile)
	if file, ok := settings.In.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		fd := int(file.Fd())
		before, err := term.MakeRaw(fd)
		if err != nil {
			return fmt.Errorf("put terminal %s in raw mode: %w", file.Name(), err)
		}
		defer term.Restore(fd, before)
		settings.Editing = true
		settings.Origin = nameOf(file)
		// A serial line knows no size.
		if width, height, err := term.GetSize(fd); err == nil {
			settings.Size = exec.Size{Width: width, Height: height}
		}
	}
	s, err := New(settings)
	if err != nil {
		return fmt.Errorf("declare what may be typed: %w", err)
	}
	return s.Run(ctx)
}

// nameOf gives the name of a terminal: "ttyS0".
func nameOf(file *os.File) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	if err != nil {
		path = file.Name()
	}
	return filepath.Base(path)
}

// readBuild says what image this is, as far as the image says so.
func readBuild(path string) model.BuildInfo {
	unknown := model.BuildInfo{Version: "(unknown version)", Board: "an unknown board"}
	text, err := os.ReadFile(path)
	if err != nil {
		return unknown
	}
	build := unknown
	if json.Unmarshal(text, &build) != nil {
		return unknown
	}
	return build
}
