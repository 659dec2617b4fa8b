package web

import (
	"bytes"
	"context"
	"errors"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestParts: a page shows the parts that somebody has the right to; what fails stands
// in its own place; each is to be had alone, as CSV and as a file.
func TestParts(t *testing.T) {
	b := newBox(t, nil)
	failing := error(nil)
	one := fake{"show test", new([]string), &failing}
	panicking := fake{"show panic", new([]string), nil}
	b.addPage("/test", one)
	b.addPage("/two", one, named{panicking, "panicking"})
	b.addPage("/none", named{fake{"reload", nil, &failing}, "hidden"})
	w, bob := b.login(t, user), b.login(t, "bob")

	status, text := w.get("/two")
	for _, want := range []string{`id="part-fake" data-every="5"`, "<h2>Fake</h2>", "This part of the page has failed", `id="part-panicking"`} {
		if status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("GET /two = %d %s; want %q in it", status, text, want)
		}
	}
	if status, text := bob.get("/none"); status != http.StatusForbidden || !strings.Contains(text, "no right") {
		t.Errorf("bob's GET /none = %d %s; want 403", status, text)
	}
	for who, want := range map[*browser]bool{w: true, bob: false} {
		if _, text := who.get("/test"); strings.Contains(text, `href="/none"`) != want {
			t.Errorf("/none is in the menu: %t; want %t", !want, want)
		}
	}
	if status, text, _ := bob.post("/none", url.Values{"part": {"hidden"}, "token": {tokenOf(t, text)}}); status != http.StatusForbidden {
		t.Errorf("bob's form of another's session = %d %s; want 403", status, text)
	}
	_, page := bob.get("/test")
	if status, text, _ := bob.post("/none", url.Values{"part": {"hidden"}, "token": {tokenOf(t, page)}}); status != http.StatusForbidden || !strings.Contains(text, "no such form") {
		t.Errorf("bob's form of a part without the right = %d %s; want 403", status, text)
	}

	answer, text := w.do(w.request(http.MethodGet, "/test?part=fake", ""))
	if answer.StatusCode != 200 || answer.Header.Get("X-Causeway-Every") != "5" || !strings.HasPrefix(text, "<h2>Fake</h2>") {
		t.Errorf("the part alone = %d, every %q, %s", answer.StatusCode, answer.Header.Get("X-Causeway-Every"), text)
	}
	answer, text = w.do(w.request(http.MethodGet, "/test?part=fake&as=csv", ""))
	const table = "a,b\r\n'=1+1,-5\r\n\"x,\"\"y\"\"\",'@sum\r\n'+49,plain\r\n"
	if text != table || answer.Header.Get("Content-Disposition") != "attachment; filename=box-test-fake.csv" {
		t.Errorf("as CSV: %q, %v; want %q", text, answer.Header, table)
	}
	answer, text = w.do(w.request(http.MethodGet, "/test?part=fake&as=file", ""))
	const disposition = "attachment; filename*=utf-8''f%C3%A4hre%20%221%22.txt"
	if text != "text" || answer.Header.Get("Content-Disposition") != disposition || answer.Header.Get("Content-Type") != "application/octet-stream" || answer.ContentLength != 4 {
		t.Errorf("as a file: %q, %v; want text", text, answer.Header)
	}
	failing = errors.New("the proxy does not answer")
	if _, text := w.get("/test"); !strings.Contains(text, "The proxy does not answer.") {
		t.Errorf("GET /test = %s; want what is wrong", text)
	}
	for _, path := range []string{"/test?part=none", "/test?part=fake&as=pdf", "/?part=fake", "/none?part=fake"} {
		if status, text := w.get(path); status != http.StatusNotFound {
			t.Errorf("GET %s = %d %s; want 404", path, status, text)
		}
	}
	for _, as := range []string{"csv", "file"} {
		if status, text := w.get("/test?part=fake&as=" + as); status != http.StatusInternalServerError || !strings.Contains(text, "The proxy does not answer.") {
			t.Errorf("as %s = %d %s; want 500, and why", as, status, text)
		}
	}
}

// named is a part of another name.
type named struct {
	fake
	is string
}

func (n named) name() string { return n.is }

// TestForms: what a part says to a form comes back: a notice once, or the form again.
func TestForms(t *testing.T) {
	b := newBox(t, nil)
	taken := b.addTest()
	w := b.login(t, user)
	for _, test := range []struct {
		do     string
		status int
		want   string
	}{
		{"it", 200, `<p class="notice" role="status">done it</p>`},
		{"fail", 422, `<p class="fault" role="alert">It fails.</p>`},
		{"again", 422, "Instead"},
		{"panic", 422, "The form has failed: the log says why."},
		{"<script>", 200, `done &lt;script&gt;`},
	} {
		status, text := w.send("/test", "fake", url.Values{"do": {test.do}})
		if status != test.status || !strings.Contains(strings.ToLower(text), strings.ToLower(test.want)) {
			t.Errorf("%s: %d %s; want %d, %q", test.do, status, text, test.status, test.want)
		}
	}
	if _, text := w.get("/test"); strings.Contains(text, "notice") {
		t.Errorf("a notice is told twice: %s", text)
	}
	if len(*taken) != 2 {
		t.Errorf("taken %q; want 2", *taken)
	}
	_, page := w.get("/test")
	if status, _, to := w.post("/test", url.Values{"part": {"fake"}, "token": {tokenOf(t, page)}, "at": {"sbc", "sbe x=1&y"}}); status != 303 || to != "/test?at=sbc&at=sbe+x%3D1%26y" {
		t.Errorf("a form about a mode leads to %s (%d); want to the mode", to, status)
	}
}

// TestReceiver: a file comes as it is sent, after the fields, as long as the part takes.
func TestReceiver(t *testing.T) {
	b := newBox(t, nil)
	taken := b.addTest()
	w := b.login(t, user)
	_, page := w.get("/test")
	send := func(octets int, fields ...string) (int, string) {
		var body bytes.Buffer
		m := multipart.NewWriter(&body)
		for _, field := range fields {
			name, value, _ := strings.Cut(field, "=")
			m.WriteField(name, value)
		}
		file, err := m.CreateFormFile("file", `C:\x\a.txt`)
		if err != nil {
			t.Fatal(err)
		}
		file.Write(bytes.Repeat([]byte("x"), octets))
		m.Close()
		answer, text := w.do(with(w.request(http.MethodPost, "/test", body.String()), "Content-Type", m.FormDataContentType()))
		return answer.StatusCode, text
	}
	token := "token=" + tokenOf(t, page)
	if status, text := send(1<<20, "part=fake", token); status != 303 || len(*taken) != 1 || !strings.HasSuffix((*taken)[0], " 1048576") {
		t.Errorf("a file = %d %s, taken %q; want 303, 1048576 octets", status, text, *taken)
	}
	if status, text := send(1<<20+1, "part=fake", token); status != 422 || len(*taken) != 1 {
		t.Errorf("a file that is too long = %d %s, taken %q; want 422", status, text, *taken)
	}
	if status, text := send(10, "part=fake"); status != 403 || len(*taken) != 1 {
		t.Errorf("a file without a token = %d %s, taken %q; want 403", status, text, *taken)
	}
}

// last is a form that ends the session of who sends it.
type last struct {
	fake
	people *people
	done   *error
}

func (l last) take(ctx context.Context, v *visit) (answer, error) {
	l.people.clear(v.login.Session)
	<-v.session.ctx.Done()
	*l.done = ctx.Err()
	return answer{notice: "done"}, nil
}

// TestLastForm: a form that ends the session is taken to its end; who sends the next
// one is shown where to log in.
func TestLastForm(t *testing.T) {
	b := newBox(t, nil)
	done := errors.New("not taken")
	b.addPage("/test", last{fake{"show test", nil, new(error)}, b.people, &done})
	w := b.login(t, user)
	_, page := w.get("/test")
	form := url.Values{"part": {"fake"}, "token": {tokenOf(t, page)}}
	if status, text, to := w.post("/test", form); status != http.StatusSeeOther || to != "/test" || done != nil {
		t.Errorf("the form = %d to %s %s, its context: %v; want it taken", status, to, text, done)
	}
	if status, text, _ := w.post("/test?at=a", form); status != http.StatusUnauthorized || !strings.Contains(text, `href="/login?to=%2ftest%3fat%3da"`) {
		t.Errorf("the next one = %d %s; want 401 and the way to the login page", status, text)
	}
}
