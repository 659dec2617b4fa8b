//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/access"
	"causeway/appliance/config/change"
	"causeway/appliance/grammar"
	"causeway/qemu/lab"
)

// Where the pages of a box of these tests are, and who may look at them: anna may do
// all, olga look only.
const (
	pagesHost     = "192.168.42.1"
	pagesURL      = "https://" + pagesHost
	pagesPassword = "Winter-Wind7"
	pagesUsers    = "username anna create\nusername anna password " + pagesPassword + "\nusername anna group pfs-privusers\n" +
		"username olga create\nusername olga password " + pagesPassword + "\nusername olga group pfs-readonly\n"
	pagesLines = "firewall off\nip http secure-server\n" + pagesUsers
)

// pagesLimit is how long one test of the pages may take.
const pagesLimit = 4 * time.Minute

// pagesBox is control and the proxy of a box on this host, with browsers on LAN1.
type pagesBox struct {
	*lab.Lab
	t       *testing.T
	ctx     context.Context
	control *lab.Control
	proxy   *lab.Proxy
	browser *lab.Browser
}

// newPagesBox starts one with the built-in configuration, those users and lines.
func newPagesBox(t *testing.T, lines string) *pagesBox {
	t.Helper()
	b := &pagesBox{t: t, ctx: within(t, pagesLimit)}
	program, err := programWithClock()
	b.check(err)
	b.Lab, err = lab.New()
	b.check(err)
	t.Cleanup(func() { b.Close() })
	home, err := b.Box()
	b.check(err)
	b.control, err = home.StartControl(program, grammar.BuiltIn()+pagesLines+lines)
	b.check(err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("control printed:\n%s", b.control.Tail())
		}
		b.control.Close()
	})
	b.proxy, err = b.control.StartProxy()
	b.check(err)
	t.Cleanup(func() {
		if err := b.proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	billing, err := home.StartBilling(b.ctx, program, b.control.Dir(), grammar.BuiltIn())
	b.check(err)
	t.Cleanup(func() {
		if err := billing.Close(); err != nil {
			t.Error(err)
		}
	})
	b.browser = browse(t, b.ctx, b.LAN1, b.await())
	return b
}

// browse starts a browser that trusts a server.
func browse(t *testing.T, ctx context.Context, where *lab.Namespace, server *x509.Certificate) *lab.Browser {
	t.Helper()
	browser, err := where.Browser(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(browser.Close)
	return browser
}

// await waits until the pages are served, and gives their certificate.
func (b *pagesBox) await() (certificate *x509.Certificate) {
	b.t.Helper()
	b.check(b.control.Await(b.ctx, func() error {
		conn, err := b.dialTLS(nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		certificate = conn.ConnectionState().PeerCertificates[0]
		return nil
	}))
	return certificate
}

// dialTLS connects to the pages from LAN1. It takes any certificate.
func (b *pagesBox) dialTLS(config *tls.Config) (*tls.Conn, error) {
	if config == nil {
		config = &tls.Config{}
	}
	config.InsecureSkipVerify = true
	conn, err := b.dial()
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, config)
	conn.SetDeadline(time.Now().Add(time.Minute))
	if err := secured.Handshake(); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

func (b *pagesBox) dial() (conn net.Conn, err error) {
	err = b.LAN1.Do(func() (err error) {
		conn, err = net.DialTimeout("tcp", net.JoinHostPort(pagesHost, "443"), 10*time.Second)
		return err
	})
	return conn, err
}

// client is a program on LAN1 that knows no cookies and follows no redirection.
func (b *pagesBox) client() *http.Client {
	return &http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialTLSContext:    func(context.Context, string, string) (net.Conn, error) { return b.dialTLS(nil) },
		},
	}
}

// restart kills control, starts it on the same files, and waits for the pages.
func (b *pagesBox) restart() {
	b.t.Helper()
	b.control.Kill()
	b.check(b.control.Start())
	b.await()
}

func (b *pagesBox) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// running is the configuration in force.
func (b *pagesBox) running() string {
	b.t.Helper()
	var revision change.RevisionText
	b.check(b.control.Call(b.ctx, "revision", change.RevisionRequest{}, &revision))
	return revision.Text
}

// audited fails unless the access log has an entry with all of these.
func (b *pagesBox) audited(words ...string) {
	b.t.Helper()
	auditedAt(b.t, b.control, words...)
}

// visitor is somebody at a browser, in a test: what goes wrong ends it.
type visitor struct {
	*lab.Tab
	t     *testing.T
	ctx   context.Context
	base  string      // of URLs
	scope lab.Element // what he looks at: the page, or a part of it
}

// visitor opens a tab. What the pages have done wrong there fails the test.
func (b *pagesBox) visitor(screen lab.Screen) *visitor {
	b.t.Helper()
	return newVisitor(b.t, b.ctx, b.browser, pagesURL, screen)
}

func newVisitor(t *testing.T, ctx context.Context, browser *lab.Browser, base string, screen lab.Screen) *visitor {
	t.Helper()
	tab, err := browser.Tab(screen)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{Tab: tab, t: t, ctx: ctx, base: base, scope: tab.Page()}
	t.Cleanup(func() {
		if t.Failed() {
			if text, err := v.Text(context.WithoutCancel(ctx)); err == nil {
				t.Logf("somebody looked at:\n%s", text)
			}
		}
		for _, fault := range v.Faults() {
			t.Errorf("a page has the fault %s", fault)
		}
		v.Close()
	})
	return v
}

// operator is a visitor who has logged in.
func (b *pagesBox) operator(user string, screen lab.Screen) *visitor {
	b.t.Helper()
	v := b.visitor(screen)
	v.logsIn(user, pagesPassword)
	v.sees("Dashboard")
	return v
}

func (v *visitor) check(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// opens goes to a path, which is to be answered well.
func (v *visitor) opens(path string) {
	v.t.Helper()
	v.check(v.Open(v.ctx, v.base+path))
	if v.Status() != http.StatusOK {
		text, _ := v.Text(v.ctx)
		v.t.Fatalf("%s has the status %d:\n%s", path, v.Status(), text)
	}
}

// logsIn types a name and a password at the door.
func (v *visitor) logsIn(user, password string) {
	v.t.Helper()
	v.opens("/login")
	v.fills("User", user)
	v.fills("Password", password)
	v.follows("button", "Log in")
}

// visits goes to a page by the menu.
func (v *visitor) visits(title string) {
	v.t.Helper()
	for _, p := range v.menu() {
		if p.Title == title {
			v.opens(p.Path)
			return
		}
	}
	v.t.Fatalf("the menu has no %q", title)
}

// menuPage is a line of the menu.
type menuPage struct{ Path, Title string }

// menu is what the menu leads to from here.
func (v *visitor) menu() []menuPage {
	v.t.Helper()
	pages, err := lab.Script[[]menuPage](v.ctx, v.Tab, `[...document.querySelectorAll("nav a[href]")].map(a => ({Path: a.pathname + a.search, Title: a.textContent.trim()}))`)
	v.check(err)
	return pages
}

func (v *visitor) sees(texts ...string) {
	v.t.Helper()
	for _, text := range texts {
		v.check(v.Sees(v.ctx, text))
	}
}

// misses fails if there is that text on the page.
func (v *visitor) misses(text string) {
	v.t.Helper()
	all, err := v.Text(v.ctx)
	v.check(err)
	if strings.Contains(all, text) {
		v.t.Errorf("%q is on the page:\n%s", text, all)
	}
}

func (v *visitor) fills(label, text string) {
	v.t.Helper()
	field, err := v.scope.Field(v.ctx, label)
	v.check(err)
	v.check(field.Fill(v.ctx, text))
}

func (v *visitor) chooses(label, choice string) {
	v.t.Helper()
	field, err := v.scope.Field(v.ctx, label)
	v.check(err)
	v.check(field.Choose(v.ctx, choice))
}

// presses clicks on what leads nowhere: a box, a heading that opens.
func (v *visitor) presses(role, name string) {
	v.t.Helper()
	e, err := v.scope.Find(v.ctx, role, name)
	v.check(err)
	v.check(e.Press(v.ctx))
}

// follows clicks on a button or link, and waits for where it leads.
func (v *visitor) follows(role, name string) {
	v.t.Helper()
	e, err := v.scope.Find(v.ctx, role, name)
	v.check(err)
	v.check(e.Follow(v.ctx))
}

// part is the visitor who looks at the part of the page below a heading.
func (v *visitor) part(heading string) *visitor {
	v.t.Helper()
	h, err := v.scope.Find(v.ctx, "heading", heading)
	v.check(err)
	one := *v
	one.scope, err = h.Around(v.ctx, "section")
	v.check(err)
	return &one
}

// get asks for a path with these headers, and gives the answer with its text.
func get(t *testing.T, client *http.Client, method, path, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, pagesURL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
		if name == "Host" {
			request.Host = value
		}
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer, string(text)
}

// auditedAt fails unless the access log of a box has an entry with all of these.
func auditedAt(t *testing.T, control *lab.Control, words ...string) {
	t.Helper()
	var log access.Log
	if err := control.Call(t.Context(), "access.log", access.LogQuery{Last: 200}, &log); err != nil {
		t.Fatal(err)
	}
	for _, e := range log.Entries {
		line := fmt.Sprintf("%+v", e)
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			return
		}
	}
	t.Errorf("the access log is %+v; want an entry with %q", log.Entries, words)
}
