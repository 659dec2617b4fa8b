package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/storage"
)

// ExecCommands declares what an operator may do with files and volumes.
func ExecCommands() []exec.Command {
	path := func(name, help string) config.Argument {
		return config.Argument{Name: name, Type: PathType{}, Help: help}
	}
	file := []config.Argument{path("PATH", "A file")}
	from := config.Argument{Name: "FROM", Type: PlaceType{Web: true}, Help: "The file: usb0:x, sftp://user@192.0.2.1/x (or scp://, the same), https://host.example/x"}
	to := config.Argument{Name: "TO", Type: PlaceType{}, Help: "Its new name, or a directory to put it in: usb0:x, sftp://user@192.0.2.1/x (or scp://)"}
	volume := config.Argument{Name: "VOLUME", Type: config.Choice{storage.Bootflash + ":", storage.Harddisk + ":"}, Help: "A volume on the disk of the box"}
	top := storage.Path{Volume: storage.Bootflash, Name: "."}
	return []exec.Command{
		{Syntax: "dir [PATH]", Level: exec.Privileged, Help: "List a directory", Run: listDirectory, Args: []config.Argument{
			{Name: "PATH", Type: PathType{}, Help: "A directory or file", Default: top}}},
		{Syntax: "mkdir PATH", Level: exec.Privileged, Help: "Make a directory", Run: makeDirectory,
			Args: []config.Argument{path("PATH", "The directory")}},
		{Syntax: "delete PATH [recursive] [force]", Level: exec.Privileged, Help: "Delete a file, an empty directory, or one with all that is in it; force asks nothing", Run: deleteFile,
			Args: []config.Argument{path("PATH", "A file or directory")}},
		{Syntax: "more PATH", Level: exec.Privileged, Help: "Print a text", Run: printFile, Args: file},
		{Syntax: "copy FROM TO", Level: exec.Privileged, Help: "Copy a file on the box, from another system (SFTP, HTTPS) or to one (SFTP)", Run: copyFile, Args: []config.Argument{from, to}},
		{Syntax: "copy running-config TO", Level: exec.Privileged, Help: "Put the configuration in force into a file", Run: saveRunning, Args: []config.Argument{to}},
		{Syntax: "copy FROM running-config", Level: exec.Privileged, Reconfigures: true, Help: "Bring the lines of a file into the configuration and commit", Run: loadRunning, Args: []config.Argument{from}},
		{Syntax: "format VOLUME", Level: exec.Privileged, Help: "Make a volume anew, and empty", Run: formatVolume, Args: []config.Argument{volume}},
		{Syntax: "mount usb0: [write]", Level: exec.Privileged, Help: "Mount a stick; write: even if it was not unmounted the last time", Run: mountStick},
		{Syntax: "unmount usb0:", Level: exec.Privileged, Help: "Let a stick be pulled", Run: unmountStick},
		{Syntax: "show storage", Help: "The volumes: device, file system, room and what is wrong with them", Run: showStorage},
	}
}

// files calls a method of the service.
func files(ctx context.Context, s exec.Session, method string, params, result any) error {
	return s.Call(ctx, "control", "control.files."+method, params, result)
}

// longest bounds what may take long: until then the operator may wait, or
// cancel it with Ctrl-C.
const longest = 12 * time.Hour

func listDirectory(ctx context.Context, s exec.Session, a config.Args) error {
	request := ListRequest{Path: PathOf(a, "PATH")}
	fmt.Fprintf(s, "Directory of %v\n\n", request.Path)
	for {
		var page Listing
		if err := files(ctx, s, "dir", request, &page); err != nil {
			return err
		}
		for _, e := range page.Entries {
			kind, size := "-", fmt.Sprint(e.Size)
			if e.IsDir {
				kind, size = "d", ""
			}
			fmt.Fprintf(s, "%s %13s  %s  %s\n", kind, size, exec.Time(s, e.Time, "2006-01-02 15:04:05 -0700"), e.Name)
		}
		if request.After = page.Next; len(request.After) == 0 {
			_, err := fmt.Fprintf(s, "\n%d KB total (%d KB free)\n", page.TotalKB, page.FreeKB)
			return err
		}
	}
}

func makeDirectory(ctx context.Context, s exec.Session, a config.Args) error {
	p := PathOf(a, "PATH")
	if err := files(ctx, s, "mkdir", MkdirRequest{p}, nil); err != nil {
		return err
	}
	fmt.Fprintf(s, "Made directory %v\n", p)
	return nil
}

func deleteFile(ctx context.Context, s exec.Session, a config.Args) error {
	request := DeleteRequest{Path: PathOf(a, "PATH"), Recursive: a.Has("recursive")}
	question := fmt.Sprintf("Delete %v?", request.Path)
	if request.Recursive {
		question = fmt.Sprintf("Delete %v and everything in it?", request.Path)
	}
	if !a.Has("force") {
		if err := s.Confirm(question); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	if err := files(ctx, s, "delete", request, nil); err != nil {
		return err
	}
	fmt.Fprintf(s, "Deleted %v\n", request.Path)
	return nil
}

func printFile(ctx context.Context, s exec.Session, a config.Args) error {
	p := PathOf(a, "PATH")
	return eachPart(ctx, s, p, func(data []byte) error {
		if bytes.IndexByte(data, 0) >= 0 {
			return fmt.Errorf("%v is not a text", p)
		}
		for i, octet := range data {
			if octet < ' ' && !strings.ContainsRune("\t\r\n", rune(octet)) || octet == 0x7f {
				data[i] = '?' // nothing tells the terminal what to do
			}
		}
		_, err := s.Write(data)
		return err
	})
}

// eachPart reads a file of the box to its end.
func eachPart(ctx context.Context, s exec.Session, p storage.Path, do func(data []byte) error) error {
	request := ReadRequest{Path: p}
	for {
		var part FilePart
		if err := files(ctx, s, "read", request, &part); err != nil {
			return err
		}
		if err := do(part.Data); err != nil || part.End {
			return err
		}
		if part.Next <= request.Offset {
			return fmt.Errorf("read %v: no more comes at octet %d, and it is not the end", p, request.Offset)
		}
		request.Offset = part.Next
	}
}

// ReadText reads a file of at most so many octets, up to 1 MiB, for a command that
// takes a text. At another system it asks the operator how to log in.
func ReadText(ctx context.Context, s exec.Session, from Place, most int) (text []byte, err error) {
	if from.IsRemote() {
		return readRemote(ctx, s, from, most)
	}
	err = eachPart(ctx, s, from.Path, func(data []byte) error {
		if text = append(text, data...); len(text) > most {
			return tooLong(from, most)
		}
		return nil
	})
	return text, err
}

// target is the file that a copy makes at a place, which may be a directory
// that it is put in, and whether one is there that the operator agrees to
// replace. On another system it is a directory if a slash ends the URL, and
// nobody is asked.
func target(ctx context.Context, s exec.Session, to Place, name string) (Place, bool, error) {
	if to.IsRemote() {
		to, err := to.within(name)
		return to, true, err
	}
	p, replace, err := targetOnBox(ctx, s, to.Path, name)
	return Place{Path: p}, replace, err
}

func targetOnBox(ctx context.Context, s exec.Session, p storage.Path, name string) (storage.Path, bool, error) {
	var found Found
	if err := files(ctx, s, "stat", PathRequest{p}, &found); err != nil {
		return p, false, err
	}
	if found.Entry != nil && found.Entry.IsDir {
		if name == "" {
			return p, false, fmt.Errorf("%v is a directory: say what name the file gets in it", p)
		}
		var err error
		if p, err = p.Join(name); err != nil {
			return p, false, err
		}
		found = Found{}
		if err := files(ctx, s, "stat", PathRequest{p}, &found); err != nil {
			return p, false, err
		}
	}
	if found.Entry == nil {
		return p, false, nil
	}
	return p, true, s.Confirm(fmt.Sprintf("Overwrite %v?", p))
}

func copyFile(ctx context.Context, s exec.Session, a config.Args) error {
	from, to := PlaceOf(a, "FROM"), PlaceOf(a, "TO")
	if from.IsRemote() && to.IsRemote() {
		return errBothRemote
	}
	to, replace, err := target(ctx, s, to, from.Base())
	if err != nil {
		return err
	}
	login, err := LoginAt(ctx, s, from, to)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	copied := make(chan error, 1)
	go func() { copied <- files(ctx, s, "copy", CopyRequest{from, to, replace, login}, nil) }()
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	for {
		select {
		case err := <-copied:
			if errors.Is(err, context.Canceled) {
				return errors.New("cancelled: nothing of the copy is left")
			}
			if err == nil {
				fmt.Fprintf(s, "Copied %v to %v\n", from, to)
			}
			return err
		case <-tick.C:
			var now Progress
			if err := files(ctx, s, "progress", PathRequest{to.Path}, &now); err == nil && now.Total > 0 { // of what is sent it has none
				fmt.Fprintf(s, "%d of %d octets\n", now.Done, now.Total)
			}
		}
	}
}

// progressInterval is how often a copy that takes long says how far it is.
const progressInterval = 3 * time.Second

func mountStick(ctx context.Context, s exec.Session, a config.Args) error {
	request := struct {
		Volume string `json:"volume"`
		Write  bool   `json:"write"`
	}{storage.USB, a.Has("write")}
	ctx, cancel := context.WithTimeout(ctx, mountLimit)
	defer cancel()
	if err := s.Call(ctx, "init", "init.mount", request, nil); err != nil {
		return err
	}
	return showVolume(ctx, s, storage.USB)
}

// mountLimit is how long init may need for a volume: it waits for services
// that use it, and for its device.
const mountLimit = 2 * time.Minute

// volumeRequest is what methods of init take that are about a volume.
type volumeRequest struct {
	Volume string `json:"volume"`
	Erase  bool   `json:"erase,omitempty"`
}

func unmountStick(ctx context.Context, s exec.Session, _ config.Args) error {
	ctx, cancel := context.WithTimeout(ctx, mountLimit)
	defer cancel()
	if err := s.Call(ctx, "init", "init.unmount", volumeRequest{Volume: storage.USB}, nil); err != nil {
		return err
	}
	fmt.Fprintln(s, "usb0: is unmounted: the stick may be pulled")
	return nil
}

// lost is what formatting a volume costs, besides the files of the operator.
var lost = map[string]string{
	storage.Bootflash: "the saved configurations, keys, licences and the history of alarms",
	storage.Harddisk:  "call records that are not sent yet, logs and reports",
}

func formatVolume(ctx context.Context, s exec.Session, a config.Args) error {
	name := strings.TrimSuffix(a.Text("VOLUME"), ":")
	fmt.Fprintf(s, "Formatting %s: erases all files on it, among them %s.\nThe services restart; new calls are refused for some seconds.\n", name, lost[name])
	if err := s.Confirm(fmt.Sprintf("Format %s:?", name)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	if err := s.Call(ctx, "init", "init.format", volumeRequest{name, true}, nil); err != nil {
		return err
	}
	return showVolume(ctx, s, name)
}
