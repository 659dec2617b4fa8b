package change

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// disk is the files of the revisions, by name.
type disk map[string]string

// recorder notes what a cut of power may leave of the writes to a store: in the
// middle of each temporary file, and after each write.
type recorder struct {
	now  disk
	cuts []disk
}

func (r *recorder) write(path string, content []byte, _ os.FileMode) error {
	name := filepath.Base(path)
	half := maps.Clone(r.now)
	half[name+".new-1"] = string(content[:len(content)/2])
	r.cuts = append(r.cuts, half)
	r.now[name] = string(content)
	r.cuts = append(r.cuts, maps.Clone(r.now))
	return os.WriteFile(path, content, 0o640)
}

func (r *recorder) remove(path string) error {
	delete(r.now, filepath.Base(path))
	r.cuts = append(r.cuts, maps.Clone(r.now))
	return os.Remove(path)
}

// history is what a box should have kept, in the words of its operator.
type history struct {
	stands  []string // host names of the revisions that stand
	proven  map[string]bool
	pending string
	steady  string // the pending one that has proved good
}

// last is what a box starts with.
func (h history) last() string {
	if len(h.stands) == 0 {
		return "builtin"
	}
	return h.stands[len(h.stands)-1]
}

func (h *history) confirm() {
	if h.pending != "" {
		h.proven[h.pending] = h.steady == h.pending
		h.stands, h.pending = append(h.stands, h.pending), ""
	}
}

// TestPowerCut: whatever operators and processes do, and wherever power fails,
// the box comes up with the configuration that was committed last or with the
// one before.
func TestPowerCut(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "change")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		b := newBoxIn(t, dir)
		before := rapid.SampledFrom([]int{0, 0, 0, mostKept}).Draw(rt, "revisions before")
		h := history{proven: map[string]bool{}}
		disks := recorder{now: disk{}}
		if err := os.Mkdir(b.path("revisions"), 0o750); err != nil {
			rt.Fatal(err)
		}
		for number := 1; number <= before; number++ {
			name := fmt.Sprint("old", number)
			r := Revision{Number: number, State: StateCommitted}
			r.ID = model.RevisionID(named(name))
			h.stands = append(h.stands, name)
			if err := disks.write(b.path(fmt.Sprintf("revisions/%06d.conf", number)), format(r, named(name)), 0); err != nil {
				rt.Fatal(err)
			}
		}
		c := b.start()
		c.store.write, c.store.remove = disks.write, disks.remove
		a := session{t, c, Who{alice}}
		for step := range rapid.IntRange(1, 5).Draw(rt, "steps") {
			disks.cuts = nil
			name := fmt.Sprint("new", step)
			allowed := []string{h.last()}
			number := c.store.last() + 1
			switch act := rapid.SampledFrom([]string{"commit", "commit confirmed", "confirm", "rollback", "abandon", "prove"}).Draw(rt, "act"); act {
			case "commit":
				a.sets(name, number, 0)
				h.confirm()
				allowed = append(allowed, h.last()) // the one before
				h.stands = append(h.stands, name)
			case "commit confirmed":
				a.sets(name, number, 5)
				h.confirm()
				h.pending = name
			case "confirm":
				if h.pending == "" {
					continue
				}
				a.commits(0, 0)
				h.confirm()
			case "rollback":
				r := rapid.SampledFrom(append(c.store.Revisions(), Revision{})).Draw(rt, "to")
				_, text, err := c.store.Text(r.Number)
				back := strings.TrimSpace(strings.TrimPrefix(text, "hostname "))
				if err != nil || text == c.InForce().Text || h.proven[back] {
					continue
				}
				if answer, err := c.Rollback(t.Context(), RollbackRequest{Operator: alice, Revision: r.Number}); err != nil || answer.Revision != number {
					rt.Fatalf("Rollback(%d) = %+v, %v; want revision %d", r.Number, answer, err, number)
				}
				h.stands, h.pending = append(h.stands, back), ""
			case "abandon":
				c.Abandon(c.InForce(), errors.New("it does not serve"))
				switch {
				case h.pending != "":
					h.pending = ""
				case len(h.stands) > 0 && !h.proven[h.last()]:
					h.stands = h.stands[:len(h.stands)-1]
				}
			case "prove":
				c.Prove(c.InForce())
				if h.steady = h.pending; h.pending == "" {
					h.proven[h.last()] = true
				}
			}
			allowed = append(allowed, h.last())
			for _, cut := range disks.cuts {
				if got := startAfter(rt, t, cut); !slices.Contains(allowed, got) {
					rt.Fatalf("after a cut the box runs with %q; want one of %q", got, allowed)
				}
			}
		}
		if got := startAfter(rt, t, disks.now); got != h.last() {
			rt.Fatalf("in the end the box runs with %q; want %q", got, h.last())
		}
	})
}

// startAfter gives the host name of a box that starts with these files.
func startAfter(rt *rapid.T, t *testing.T, files disk) string {
	dir, err := os.MkdirTemp("", "change")
	if err != nil {
		rt.Fatal(err)
	}
	defer os.RemoveAll(dir)
	b := newBoxIn(t, dir)
	if err := os.Mkdir(b.path("revisions"), 0o750); err != nil {
		rt.Fatal(err)
	}
	for name, content := range files {
		b.put("revisions/"+name, content)
	}
	return b.start().InForce().Config.HostName
}
