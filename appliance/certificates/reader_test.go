package certificates

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

// TestReader: another process sees each change at its next look, and goes on with
// what it had while the files are of no use.
func TestReader(t *testing.T) {
	b := newBox(t)
	reader := NewReader(filepath.Join(b.dir, "certificates", "radius"), b.options.Log)
	shows := func(when string) string {
		t.Helper()
		found, err := reader.Load()
		if err != nil {
			return "error: " + err.Error()
		}
		subject := "nobody"
		if found.Certificate != nil {
			subject = found.Certificate.Leaf.Subject.CommonName
		}
		return fmt.Sprintf("%s, trusts %v", subject, found.Roots != nil)
	}
	sign := func(name string) {
		t.Helper()
		if _, err := b.SignSelf(model.ForRADIUS, Wanted{Names: []string{name}}); err != nil {
			t.Fatal(err)
		}
	}
	var digits string
	steps := []struct {
		name string
		do   func()
		want string
	}{
		{"nothing is there", func() {}, "nobody, trusts false"},
		{"a certificate", func() { sign("one") }, "one, trusts false"},
		{"another at once", func() { sign("two") }, "two, trusts false"},
		{"an authority", func() {
			added, err := b.Trust(model.ForRADIUS, []byte(newAuthority(t, "root").pem()))
			if err != nil {
				t.Fatal(err)
			}
			digits = added[0].SHA256
		}, "two, trusts true"},
		{"nonsense", func() { damage(t, b.file(model.ForRADIUS, model.IdentityFile)) }, "two, trusts true"},
		{"and back", func() { sign("three") }, "three, trusts true"},
		{"no authority", func() {
			if _, err := b.Distrust(model.ForRADIUS, digits); err != nil {
				t.Fatal(err)
			}
		}, "three, trusts false"},
		{"zeroized", func() {
			if err := b.Zeroize(model.ForRADIUS); err != nil {
				t.Fatal(err)
			}
		}, "nobody, trusts false"},
		{"nonsense after nothing", func() { damage(t, b.file(model.ForRADIUS, model.IdentityFile)) }, "error: "},
	}
	for _, step := range steps {
		step.do()
		for range 2 { // looking twice is the same
			if got := shows(step.name); !strings.HasPrefix(got, step.want) {
				t.Errorf("%s: Load = %s; want %s", step.name, got, step.want)
			}
		}
	}
	if n := strings.Count(b.log.String(), "cannot be used"); n != 2 {
		t.Errorf("the log says %d times that a file cannot be used; want once for each:\n%s", n, b.log.String())
	}
}

func damage(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("-----BEGIN CERTIFICATE-----\nnot one\n"), 0o640); err != nil {
		t.Fatal(err)
	}
}

// TestCuts: after a cut at any octet of what an import writes, the box has the old
// pair or the new one, and nothing of a key lies about.
func TestCuts(t *testing.T) {
	b := newBox(t)
	for _, name := range []string{"older", "old"} {
		if _, err := b.SignSelf(model.ForSIP, Wanted{Names: []string{name}}); err != nil {
			t.Fatal(err)
		}
	}
	identityFile, previousFile, request := b.file(model.ForSIP, model.IdentityFile), b.file(model.ForSIP, model.IdentityFile+previous), b.file(model.ForSIP, requestFile)
	if _, err := b.Generate(model.ForSIP, KeyKind{}); err != nil {
		t.Fatal(err)
	}
	before := map[string]string{identityFile: readFile(t, identityFile), previousFile: readFile(t, previousFile), request: readFile(t, request)}
	if _, err := b.SignSelf(model.ForSIP, Wanted{Names: []string{"new"}}); err != nil {
		t.Fatal(err)
	}
	after := map[string]string{identityFile: readFile(t, identityFile), previousFile: readFile(t, previousFile)}

	check := func(state map[string]string, half, text, want string) {
		t.Helper()
		dir := filepath.Dir(identityFile)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if half != "" {
			state[half+".new-123"] = text
		}
		for path, text := range state {
			if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		delete(state, half+".new-123")
		b.start(nil)
		status := b.status(model.ForSIP)
		if status.Certificate == nil || strings.Join(status.Certificate.Names, " ") != "DNS:"+want+" URI:sip:"+want || status.Problem != "" {
			t.Fatalf("cut at octet %d of %q: %+v; want the %s one", len(text), filepath.Base(half), status, want)
		}
		for _, file := range b.files() {
			if strings.Contains(file, ".new-123 ") {
				t.Fatalf("cut at octet %d of %q: it is left", len(text), filepath.Base(half))
			}
		}
	}
	state := map[string]string{identityFile: before[identityFile], previousFile: before[previousFile], request: before[request]}
	for n := range len(after[previousFile]) + 1 {
		check(state, previousFile, after[previousFile][:n], "old")
	}
	state[previousFile] = after[previousFile]
	for n := range len(after[identityFile]) + 1 {
		check(state, identityFile, after[identityFile][:n], "old")
	}
	state[identityFile] = after[identityFile]
	check(state, "", "", "new") // the key that waited is still there: it is the one in force
	b.pass(time.Minute)
	delete(state, request)
	check(state, "", "", "new")
}
