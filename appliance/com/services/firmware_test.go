package services

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// staging is a firmware service that runs until the test ends.
type staging struct {
	*shelf
	firmware *Firmware
}

func newStaging(t *testing.T, s *shelf) (f staging, stop func()) {
	t.Helper()
	f = staging{s, NewFirmware(FirmwareOptions{
		Volumes: s.dir, Store: s.store, Version: "1.0", Log: slog.New(slog.DiscardHandler),
	})}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.firmware.Run(ctx) }()
	stop = func() {
		cancel()
		if err, open := <-done; open && err != nil {
			t.Errorf("Run = %v", err)
		}
		close(done)
	}
	return f, stop
}

// image is one with its description.
func image(octets int) (content string, p wire.FirmwareStage) {
	random := rand.New(rand.NewPCG(1, uint64(octets)))
	text := make([]byte, octets)
	for i := range text {
		text[i] = byte(random.Uint32())
	}
	content = string(text)
	return content, wire.FirmwareStage{URL: "https://example.com/image?signature=s3cret", Name: "causeway-2.0.img", Size: int64(octets), SHA: sha(content)}
}

func (f staging) stage(p wire.FirmwareStage) error {
	_, err := call[wire.Firmware](f.t.Context(), f.firmware.Methods(), wire.MethodFirmwareStage, p)
	return err
}

// settled waits until nothing is under way and gives the status.
func (f staging) settled() (got wire.Firmware) {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		got, _ = f.firmware.status(f.t.Context(), gate.Caller{}, struct{}{})
		f.firmware.mu.Lock()
		over := f.firmware.job == nil || f.firmware.problem != ""
		f.firmware.mu.Unlock()
		if over {
			return got
		}
	}
	f.t.Fatalf("the image is still under way: %+v", got)
	return got
}

// files are the names in the directory of images.
func (f staging) names() string {
	entries, _ := os.ReadDir(filepath.Join(f.dir, "harddisk", "firmware"))
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

// ranges serves a text with ranges, and notes what was asked for.
func ranges(content string, asked *[]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Header.Get("Range"))
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	}
}

func TestStage(t *testing.T) {
	f, stop := newStaging(t, newShelf(t))
	defer stop()
	content, p := image(300_000)
	var asked []string
	f.serves(ranges(content, &asked))
	if err := f.stage(p); err != nil {
		t.Fatal(err)
	}
	want := wire.Firmware{Running: "1.0", Staged: p.Name, SHA: p.SHA, Have: p.Size, Size: p.Size}
	if got := f.settled(); got != want {
		t.Fatalf("fw.status = %+v; want %+v", got, want)
	}
	if err := f.stage(p); err != nil || f.settled() != want || len(asked) != 1 {
		t.Errorf("the same image again = %v, asked for %d times; want once", err, len(asked))
	}
	other, q := image(200_000)
	q.Name = "causeway-3.0.img"
	f.serves(ranges(other, &asked))
	if err := f.stage(q); err != nil {
		t.Fatal(err)
	}
	if got := f.settled(); got.Staged != q.Name || f.names() != "causeway-3.0.img causeway-3.0.img.sha256" {
		t.Errorf("another image: %+v, and the directory has %s", got, f.names())
	}
	kept, err := os.ReadFile(filepath.Join(f.dir, "harddisk", "firmware", q.Name))
	if err != nil || string(kept) != other {
		t.Errorf("the image has %d octets, %v; want those of the store", len(kept), err)
	}
}

// What broke off is gone on with, also by another life of the box and with another
// URL.
func TestStageResumes(t *testing.T) {
	for _, test := range []struct {
		name   string
		ranges bool // the store knows them
	}{{"with ranges", true}, {"without", false}} {
		t.Run(test.name, func(t *testing.T) {
			s := newShelf(t)
			f, stop := newStaging(t, s)
			content, p := image(300_000)
			broke := make(chan struct{}, 1)
			f.serves(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(len(content)))
				w.Write([]byte(content[:100_000]))
				select {
				case broke <- struct{}{}:
				default:
				}
				panic(http.ErrAbortHandler)
			})
			if err := f.stage(p); err != nil {
				t.Fatal(err)
			}
			<-broke
			for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
				if got, _ := f.firmware.status(t.Context(), gate.Caller{}, struct{}{}); got.Have == 100_000 {
					break
				}
			}
			stop()
			if got, want := f.names(), p.SHA+".part"; got != want {
				t.Fatalf("what broke off leaves %s; want %s", got, want)
			}
			var asked []string
			serve := ranges(content, &asked)
			f.serves(func(w http.ResponseWriter, r *http.Request) {
				if !test.ranges {
					asked = append(asked, r.Header.Get("Range"))
					w.Write([]byte(content))
					return
				}
				serve(w, r)
			})
			f, stop = newStaging(t, s)
			defer stop()
			p.URL = "https://example.com/elsewhere"
			if err := f.stage(p); err != nil {
				t.Fatal(err)
			}
			if got := f.settled(); got.Staged != p.Name || strings.Join(asked, " ") != "bytes=100000-" {
				t.Errorf("fw.status = %+v, asked for %q; want the image, and the rest of it", got, asked)
			}
		})
	}
}

func TestStageFails(t *testing.T) {
	content, p := image(50_000)
	for _, test := range []struct {
		name  string
		serve http.HandlerFunc
		say   string
		left  string
	}{
		{"another image", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(strings.Repeat("x", 50_000))) }, "has the SHA-256", ""},
		{"larger", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(content + "x")) }, "more than 50000 octets", p.SHA + ".part"},
		{"refused", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusForbidden) }, "answers 403", p.SHA + ".part"},
		{"moved", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.org/", http.StatusFound)
		}, "names another place", p.SHA + ".part"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, stop := newStaging(t, newShelf(t))
			defer stop()
			f.serves(test.serve)
			if err := f.stage(p); err != nil {
				t.Fatal(err)
			}
			if got := f.settled(); !strings.Contains(got.Problem, test.say) || got.Staged != "" || strings.Contains(got.Problem, "s3cret") {
				t.Errorf("fw.status = %+v; want %q", got, test.say)
			}
			if got := f.names(); got != test.left {
				t.Errorf("the directory has %s; want %s", got, test.left)
			}
		})
	}
}

func TestStageRefused(t *testing.T) {
	f, stop := newStaging(t, newShelf(t))
	defer stop()
	_, good := image(10)
	for name, spoil := range map[string]func(*wire.FirmwareStage){
		"another host":        func(p *wire.FirmwareStage) { p.URL = "https://example.org/image" },
		"a path":              func(p *wire.FirmwareStage) { p.Name = "../image" },
		"a hidden name":       func(p *wire.FirmwareStage) { p.Name = ".image" },
		"the name of a part":  func(p *wire.FirmwareStage) { p.Name = "a.part" },
		"the name of a sum":   func(p *wire.FirmwareStage) { p.Name = "a.sha256" },
		"nothing":             func(p *wire.FirmwareStage) { p.Size = 0 },
		"too large":           func(p *wire.FirmwareStage) { p.Size = largest + 1 },
		"no sum":              func(p *wire.FirmwareStage) { p.SHA = "" },
		"a path for a sum":    func(p *wire.FirmwareStage) { p.SHA = strings.Repeat("../a", 16) },
		"a sum in other case": func(p *wire.FirmwareStage) { p.SHA = strings.ToUpper(p.SHA) },
	} {
		p := good
		if spoil(&p); codeOf(f.stage(p)) == 0 {
			t.Errorf("%s is not refused", name)
		}
	}
}

// A cut while an image is given its name leaves no image that is not what it says.
func TestStagedAfterCut(t *testing.T) {
	s := newShelf(t)
	f, stop := newStaging(t, s)
	defer stop()
	s.write("harddisk/firmware/a.img.sha256", sha("a")+"  a.img\n")
	if got := f.settled(); got.Staged != "" {
		t.Errorf("a sum without its image: %+v; want none", got)
	}
	s.write("harddisk/firmware/b.img", "b")
	if got := f.settled(); got.Staged != "" {
		t.Errorf("an image without its sum: %+v; want none", got)
	}
	s.write("harddisk/firmware/a.img", "a")
	if got := f.settled(); got.Staged != "a.img" || got.SHA != sha("a") || got.Size != 1 {
		t.Errorf("an image with its sum: %+v; want it", got)
	}
}

// TestStageSwitchedOff: nothing comes from the store any more once the service is
// switched off.
func TestStageSwitchedOff(t *testing.T) {
	f, stop := newStaging(t, newShelf(t))
	defer stop()
	_, p := image(300_000)
	begun, ended := make(chan bool, 1), make(chan bool, 1)
	f.serves(func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 100_000))
		w.(http.Flusher).Flush()
		begun <- true
		<-r.Context().Done() // the box hangs up
		ended <- true
	})
	on := &model.Config{COM: model.COM{Services: []string{model.COMFirmware}}}
	f.firmware.Apply(on)
	if err := f.stage(p); err != nil {
		t.Fatal(err)
	}
	<-begun
	f.firmware.Apply(on)
	if got, _ := f.firmware.status(t.Context(), gate.Caller{}, struct{}{}); got.SHA != p.SHA {
		t.Errorf("fw.status while the service is on = %+v; want the image under way", got)
	}
	f.firmware.Apply(&model.Config{})
	<-ended
	if got := f.settled(); got.Staged != "" || got.Have != 0 {
		t.Errorf("fw.status = %+v; want nothing staged and nothing under way", got)
	}
}
