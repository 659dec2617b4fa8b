package journal

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"causeway/appliance/model"
)

const childVariable = "JOURNAL_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir, life, ok := strings.Cut(os.Getenv(childVariable), "\n"); ok {
		fmt.Fprintln(os.Stderr, writeForever(dir, life))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeForever commits events named life-1, life-2, … and prints the number of
// the last one after each commit.
func writeForever(dir, life string) error {
	w, _, err := Open(dir, Options{Box: testBox, SegmentSize: 8 << 10})
	if err != nil {
		return err
	}
	batch := &Batch{}
	for n := 1; ; n++ {
		e := event(model.CallEnded, n, n)
		e.CallID = fmt.Appendf(nil, "%s-%d", life, n)
		batch.Append(e)
		if n%7 != 0 {
			continue
		}
		if err := w.Commit(batch); err != nil {
			return err
		}
		batch.Reset()
		if _, err := fmt.Println(n); err != nil {
			return err
		}
	}
}

// A writer killed at any moment loses nothing that it confirmed, and the
// reader, which acknowledges meanwhile, gets each event once.
func TestWriterIsKilled(t *testing.T) {
	dir := t.TempDir()
	r := openReader(t, dir)
	given := map[string]int{} // life → last number
	take := func() {
		for _, text := range drain(t, r) {
			life, number, _ := strings.Cut(text, "-")
			n, err := strconv.Atoi(number)
			if err != nil || n != given[life]+1 {
				t.Fatalf("record %q follows %d of its life; want the next", text, given[life])
			}
			given[life] = n
		}
		if err := r.Ack(r.last); err != nil {
			t.Fatal(err)
		}
	}
	const lives = 25
	for life := range lives {
		name := fmt.Sprint("life", life)
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childVariable+"="+dir+"\n"+name)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		confirmed := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if confirmed, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatalf("the child says %q", lines.Text())
			}
			if confirmed%5 == 0 {
				take()
			}
			if confirmed >= 70+11*life {
				child.Process.Kill() // what it still confirmed is read after this
			}
		}
		if err := child.Wait(); err == nil || child.ProcessState.ExitCode() != -1 {
			t.Fatalf("the child ended by itself: %v", err)
		}
		// Its last commits are published or not; the next writer publishes them.
		w, _ := openTest(t, dir, Options{SegmentSize: 8 << 10})
		w.die()
		take()
		if given[name] < confirmed {
			t.Fatalf("%s confirmed %d events; the reader got %d", name, confirmed, given[name])
		}
	}
	if r.Lost != 0 {
		t.Errorf("Lost = %d; want 0", r.Lost)
	}
	if paths := segmentsIn(t, dir); len(paths) > 3 {
		t.Errorf("%d segments are left after all is acknowledged: %v", len(paths), paths)
	}
}
