//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"causeway/qemu/lab"
)

// caller is a program with a session: its cookies and the token of its forms.
type caller struct {
	b      *pagesBox
	client *http.Client
	cookie string
	token  string
}

var (
	tokenField = regexp.MustCompile(`name="token" value="([^"]+)"`)
	sessionSet = regexp.MustCompile(`^(__Host-causeway)=([^;]+)`)
)

// enter logs in as a browser does, and gives the answer.
func (b *pagesBox) enter(user, password string) (*caller, *http.Response, string) {
	b.t.Helper()
	c := &caller{b: b, client: b.client()}
	answer, page := get(b.t, c.client, http.MethodGet, "/login", "", nil)
	door := strings.Split(answer.Header.Get("Set-Cookie"), ";")[0]
	token := tokenField.FindStringSubmatch(page)
	if token == nil {
		b.t.Fatalf("the login page has no token:\n%s", page)
	}
	form := url.Values{"user": {user}, "password": {password}, "token": {token[1]}}
	answer, page = get(b.t, c.client, http.MethodPost, "/login", form.Encode(), map[string]string{
		"Cookie": door, "Origin": pagesURL, "Content-Type": "application/x-www-form-urlencoded",
	})
	for _, set := range answer.Header.Values("Set-Cookie") {
		if match := sessionSet.FindStringSubmatch(set); match != nil {
			c.cookie = match[1] + "=" + match[2]
		}
	}
	if c.cookie != "" {
		_, page := c.get("/")
		if token := tokenField.FindStringSubmatch(page); token != nil {
			c.token = token[1]
		}
	}
	return c, answer, page
}

// enters is enter of somebody who gets in.
func (b *pagesBox) enters(user string) *caller {
	b.t.Helper()
	c, answer, page := b.enter(user, pagesPassword)
	if c.cookie == "" || c.token == "" {
		b.t.Fatalf("%s is not let in: %s\n%s", user, answer.Status, page)
	}
	return c
}

func (c *caller) get(path string) (*http.Response, string) {
	c.b.t.Helper()
	return get(c.b.t, c.client, http.MethodGet, path, "", map[string]string{"Cookie": c.cookie})
}

// post sends a form as a page of the box does, but for what header says.
func (c *caller) post(path string, form url.Values, header map[string]string) (*http.Response, string) {
	c.b.t.Helper()
	all := map[string]string{"Cookie": c.cookie, "Origin": pagesURL, "Content-Type": "application/x-www-form-urlencoded"}
	for name, value := range header {
		all[name] = value
	}
	return get(c.b.t, c.client, http.MethodPost, path, form.Encode(), all)
}

var menuLink = regexp.MustCompile(`<a href="(/[^"]*)"`)

// operatorPages are the pages of the menu for who may do all.
func (b *pagesBox) operatorPages() (paths []string) {
	b.t.Helper()
	_, page := b.enters("anna").get("/")
	_, menu, _ := strings.Cut(page, "<nav")
	menu, _, _ = strings.Cut(menu, "</nav>")
	for _, match := range menuLink.FindAllStringSubmatch(menu, -1) {
		paths = append(paths, match[1])
	}
	if len(paths) == 0 {
		b.t.Fatalf("the menu leads nowhere:\n%s", page)
	}
	return paths
}

// pagesCrowd: connections that somebody holds keep nobody else out, and are bounded.
func pagesCrowd(b *pagesBox) {
	var held []io.Closer
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	for range 300 {
		conn, err := b.dial()
		if err != nil {
			break
		}
		held = append(held, conn)
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.control.PID()))
	b.check(err)
	b.t.Logf("connections=%d files=%d", len(held), len(files))
	if len(files) > 200 {
		b.t.Errorf("control has %d descriptors for %d connections of one host; want 200 at most", len(files), len(held))
	}
	for _, c := range held {
		c.Close()
	}
	held = nil
	b.check(b.control.Await(b.ctx, func() error {
		conn, err := b.dialTLS(nil)
		if err == nil {
			conn.Close()
		}
		return err
	}))
}

// TestPagesLockOut tries passwords: after three bad ones even the right one is
// refused, for a minute, over a restart of control as well, and it is written down.
func TestPagesLockOut(t *testing.T) {
	t.Parallel()
	b := newPagesBox(t, "")
	for i := range 3 {
		if c, answer, _ := b.enter("olga", fmt.Sprint("Wrong-wind", i)); c.cookie != "" || answer.StatusCode == http.StatusSeeOther {
			t.Fatalf("a wrong password is answered with %s", answer.Status)
		}
	}
	begin := time.Now()
	_, _, wrong := b.enter("nobody", pagesPassword)
	_, _, right := b.enter("olga", pagesPassword)
	for what, page := range map[string]string{"nobody": wrong, "who is locked out": right} {
		if told := faultShown.FindStringSubmatch(page); told == nil || strings.Contains(told[1], "user") {
			t.Errorf("the login page says to %s:\n%s", what, page)
		}
	}
	b.audited("olga", "web "+lab.PeerLAN1.String(), "locked out")
	b.restart()
	for _, row := range []struct {
		user string
		in   bool
	}{{"olga", false}, {"anna", true}} {
		if c, _, page := b.enter(row.user, pagesPassword); (c.cookie != "") != row.in {
			t.Errorf("%s is let in %t with the right password; want %t:\n%s", row.user, !row.in, row.in, page)
		}
	}
	for tick := time.NewTicker(time.Second); ; <-tick.C {
		if c, _, page := b.enter("olga", pagesPassword); c.cookie != "" {
			break
		} else if b.ctx.Err() != nil {
			t.Fatalf("the right password is still refused after %v:\n%s", time.Since(begin), page)
		}
	}
	if took := time.Since(begin); took < 55*time.Second {
		t.Errorf("the right password is taken again after %v; want a minute", took)
	}
}

var faultShown = regexp.MustCompile(`role="alert"[^>]*>([^<]*)<`)
