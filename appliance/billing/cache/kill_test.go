package cache

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const childVariable = "CACHE_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir, first, ok := strings.Cut(os.Getenv(childVariable), "\n"); ok {
		fmt.Fprintln(os.Stderr, workForever(dir, first))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// workForever appends records numbered from first on and prints "appended N"
// after each Append, and delivers them: it prints "delivered N" before Done.
func workForever(dir, first string) error {
	var n int
	if _, err := fmt.Sscan(first, &n); err != nil {
		return err
	}
	c, err := Open(Options{Dir: dir, Box: testBox, segmentSize: 8 << 10}, []Consumer{em0})
	if err != nil {
		return err
	}
	r := c.Cursor(em0.Name)
	for round := 1; ; round++ {
		if err := c.Append(events(n, n+6)); err != nil {
			return err
		}
		n += 7
		fmt.Println("appended", n-1)
		for range round % 13 {
			record, ok, err := r.poll()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			fmt.Printf("delivered %s\n", record.Payload)
			r.Done(record.Seq)
		}
		if round%20 == 0 {
			c.Upkeep()
		}
	}
}

// A process killed at any moment loses no record that it confirmed.
func TestProcessIsKilled(t *testing.T) {
	dir := t.TempDir()
	delivered := map[int]bool{}
	appended := 0
	for life := range 25 {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), fmt.Sprintf("%s=%s\n%d", childVariable, dir, appended+1))
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		start, confirmed := appended, 0
		for lines := bufio.NewReader(out); ; {
			line, err := lines.ReadString('\n')
			if err == io.EOF {
				break
			}
			var what string
			var n int
			if _, err := fmt.Sscan(line, &what, &n); err != nil {
				t.Fatalf("the child says %q", line)
			}
			if what == "appended" {
				confirmed = n
			} else {
				delivered[n] = true
			}
			if confirmed >= start+70+11*life {
				child.Process.Kill() // what it still says is read after this
			}
		}
		if err := child.Wait(); err == nil || child.ProcessState.ExitCode() != -1 {
			t.Fatalf("the child ended by itself: %v", err)
		}
		// Records that were written and not confirmed are there, and their
		// numbers are used.
		c := openTest(t, Options{Dir: dir}, em0)
		newest, _ := c.Newest()
		c.die()
		if appended = int(newest.Event); appended < confirmed {
			t.Fatalf("life %d confirmed %d; the newest is %d", life, confirmed, appended)
		}
	}
	c := openTest(t, Options{Dir: dir}, em0)
	for _, record := range c.Cursor(em0.Name).now(t) {
		delivered[int(record.Source.Event)] = true
	}
	for n := 1; n <= appended; n++ {
		if !delivered[n] {
			t.Fatalf("record %d of %d is lost", n, appended)
		}
	}
	if status := c.Status(); status.Lost != 0 {
		t.Errorf("Lost = %d; want 0", status.Lost)
	}
}
