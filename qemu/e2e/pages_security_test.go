//go:build e2e

package e2e

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPagesSecurity is what programs try at the pages (management.md §6.3, checks 4
// and 5, and 7 for this door).
func TestPagesSecurity(t *testing.T) {
	t.Parallel()
	b := newPagesBox(t, "")
	for _, part := range []struct {
		name string
		try  func(*pagesBox)
	}{
		{"TLS", pagesTLS}, {"headers", pagesHeaders}, {"hosts", pagesHosts}, {"forgery", pagesForgery}, {"cookies", pagesCookies},
		{"paths", pagesPaths}, {"sizes", pagesSizes}, {"rights", pagesRights}, {"crowd", pagesCrowd},
	} {
		t.Run(part.name, func(t *testing.T) {
			here := *b
			here.t = t
			part.try(&here)
		})
	}
}

// pagesTLS: TLS 1.2 and 1.3, keys agreed on for each connection, and ciphers that
// authenticate what they hide; nothing else.
func pagesTLS(b *pagesBox) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		conn, err := b.dialTLS(&tls.Config{MinVersion: version, MaxVersion: version})
		if good := version >= tls.VersionTLS12; good != (err == nil) {
			b.t.Errorf("%s: %v; want success %t", tls.VersionName(version), err, good)
		}
		if err == nil {
			conn.Close()
		}
	}
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) || strings.Contains(suite.Name, "_RSA_WITH_") && strings.Contains(suite.Name, "ECDHE_RSA") {
			continue // not of TLS 1.2, or for a key that the box has not
		}
		conn, err := b.dialTLS(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
		good := strings.HasPrefix(suite.Name, "TLS_ECDHE_ECDSA_") && (strings.Contains(suite.Name, "_GCM_") || strings.Contains(suite.Name, "POLY1305"))
		if good != (err == nil) {
			b.t.Errorf("%s: %v; want success %t", suite.Name, err, good)
		}
		if err == nil {
			conn.Close()
		}
	}
	conn, err := b.dialTLS(&tls.Config{NextProtos: []string{"h2", "http/1.1"}})
	b.check(err)
	defer conn.Close()
	if protocol := conn.ConnectionState().NegotiatedProtocol; protocol == "h2" {
		b.t.Errorf("the protocol is %q; want HTTP/1.1, which has fewer doors", protocol)
	}
}

// pagesHeaders: whatever is asked for, the answer keeps browsers in bounds.
func pagesHeaders(b *pagesBox) {
	client := b.client()
	for _, path := range []string{"/login", "/", "/no/such/page", "/static/none", "/../etc/passwd"} {
		answer, _ := get(b.t, client, http.MethodGet, path, "", nil)
		policy := answer.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, want) {
				b.t.Errorf("%s has the policy %q; want %q in it", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			b.t.Errorf("%s has the policy %q", path, policy)
		}
		for name, want := range map[string]string{
			"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "Server": "",
		} {
			if got := answer.Header.Get(name); got != want {
				b.t.Errorf("%s has %s: %q; want %q", path, name, got, want)
			}
		}
		if policy := answer.Header.Get("Referrer-Policy"); policy != "same-origin" && policy != "no-referrer" {
			b.t.Errorf("%s has the Referrer-Policy %q", path, policy)
		}
		if cache := answer.Header.Get("Cache-Control"); !strings.Contains(cache, "no-store") {
			b.t.Errorf("%s has the Cache-Control %q", path, cache)
		}
	}
}

// pagesHosts: a name that has come to mean this address (DNS rebinding) leads to
// nothing, and none does not either.
func pagesHosts(b *pagesBox) {
	for _, row := range []struct {
		head   string
		status int
	}{
		{"GET /login HTTP/1.1\r\nHost: " + pagesHost, 200},
		{"GET /login HTTP/1.1\r\nHost: " + pagesHost + ":443", 200},
		{"GET /login HTTP/1.1\r\nHost: causeway", 200},
		{"GET /login HTTP/1.1\r\nHost: evil.example", 421},
		{"GET /login HTTP/1.1\r\nHost: causeway.evil.example", 421},
		{"GET https://evil.example/login HTTP/1.1\r\nHost: " + pagesHost, 421},
		{"GET /login HTTP/1.1", 400},
		{"GET /login HTTP/1.1\r\nHost: a\r\nHost: b", 400},
		{"GET /login HTTP/1.0", 421},
		{"GET /login HTTP/1.1\r\nHost:", 421},
		{"CONNECT " + pagesHost + ":22 HTTP/1.1\r\nHost: " + pagesHost, 405},
		{"TRACE /login HTTP/1.1\r\nHost: " + pagesHost, 405},
		{"OPTIONS * HTTP/1.1\r\nHost: " + pagesHost, 405},
		{"PUT /login HTTP/1.1\r\nHost: " + pagesHost, 405},
		{"NONSENSE", 400},
	} {
		if status := b.raw(row.head + "\r\n\r\n"); status != row.status && !(row.status >= 400 && status >= 400 && status < 500) {
			b.t.Errorf("%q is answered with %d; want %d", row.head, status, row.status)
		}
	}
}

// raw sends octets and gives the status of the answer; 0: none came.
func (b *pagesBox) raw(request string) int {
	b.t.Helper()
	conn, err := b.dialTLS(nil)
	b.check(err)
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		return 0
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// pagesForgery: what another site has a browser send does nothing.
func pagesForgery(b *pagesBox) {
	c, victim := b.enters("anna"), b.enters("anna")
	good := url.Values{"token": {c.token}}
	for _, row := range []struct {
		what   string
		form   url.Values
		header map[string]string
	}{
		{"without a token", url.Values{}, nil},
		{"with a wrong token", url.Values{"token": {strings.Repeat("A", 43)}}, nil},
		{"with the token of another session", url.Values{"token": {victim.token}}, nil},
		{"of another origin", good, map[string]string{"Origin": "https://evil.example"}},
		{"of another port of this host", good, map[string]string{"Origin": pagesURL + ":8443"}},
		{"of plain HTTP", good, map[string]string{"Origin": "http://" + pagesHost, "Sec-Fetch-Site": "cross-site"}},
		{"of a hidden origin", good, map[string]string{"Origin": "null"}},
		{"of another site", good, map[string]string{"Sec-Fetch-Site": "cross-site"}},
		{"of another host of this site", good, map[string]string{"Sec-Fetch-Site": "same-site"}},
	} {
		if answer, _ := c.post("/logout", row.form, row.header); answer.StatusCode != http.StatusForbidden {
			b.t.Errorf("a form %s is answered with %s; want 403", row.what, answer.Status)
		}
		if answer, _ := c.get("/"); answer.StatusCode != http.StatusOK {
			b.t.Fatalf("a form %s has ended the session", row.what)
		}
	}
	for _, origin := range []string{"https://evil.example", pagesURL} { // there are none here
		answer, _ := get(b.t, c.client, http.MethodGet, "/", "", map[string]string{"Cookie": c.cookie, "Origin": origin,
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
		if answer.StatusCode == http.StatusSwitchingProtocols {
			b.t.Errorf("a WebSocket of %s is served", origin)
		}
	}
	if answer, _ := c.post("/logout", good, nil); answer.StatusCode != http.StatusSeeOther {
		b.t.Errorf("a form of the page is answered with %s; want 303", answer.Status)
	}
	if answer, _ := c.get("/"); answer.StatusCode == http.StatusOK {
		b.t.Error("the session goes on after its end")
	}
	if answer, _ := victim.get("/"); answer.StatusCode != http.StatusOK {
		b.t.Errorf("the other session has ended with it: %s", answer.Status)
	}
}

// pagesCookies: a session belongs to a cookie that only this server gets, that no
// script reads, and that nobody can plant.
func pagesCookies(b *pagesBox) {
	_, answer, _ := b.enter("anna", pagesPassword)
	found := false
	for _, set := range answer.Header.Values("Set-Cookie") {
		if !strings.HasPrefix(set, "__Host-") || !strings.Contains(set, "Path=/") || strings.Contains(set, "Domain") {
			b.t.Errorf("the cookie is %q; want one of this host alone", set)
		}
		for _, attribute := range []string{"Secure", "HttpOnly", "SameSite=Strict"} {
			if !strings.Contains(set, attribute) {
				b.t.Errorf("the cookie is %q; want %s", set, attribute)
			}
		}
		found = found || sessionSet.MatchString(set)
	}
	if !found {
		b.t.Error("a login gives no cookie")
	}
	planted := "__Host-causeway=" + strings.Repeat("A", 43)
	answer, _ = get(b.t, b.client(), http.MethodGet, "/", "", map[string]string{"Cookie": planted})
	if answer.StatusCode != http.StatusSeeOther || !strings.HasPrefix(answer.Header.Get("Location"), "/login") {
		b.t.Errorf("a cookie that nobody gave is answered with %s", answer.Status)
	}
	answer, _ = get(b.t, b.client(), http.MethodGet, "/login?to=//evil.example/", "", nil)
	if strings.Contains(answer.Header.Get("Location"), "evil") {
		b.t.Errorf("the login leads to %q", answer.Header.Get("Location"))
	}
}

// pagesPaths: no path leads out of what is served, nobody sees anything before he
// has logged in.
func pagesPaths(b *pagesBox) {
	c := b.enters("anna")
	for _, path := range []string{
		"/../../../../etc/passwd", "/static/../../../../etc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd", "/static/..%2f..%2fetc%2fpasswd",
		"/static/", "/static/.", "//etc/passwd", "/static/page.html", "/%00", "/?part=../../etc/passwd", "/?part=%00&as=csv",
		"/administration/files?part=files&as=file&path=bootflash:../keys/box.key", "/administration/files?part=files&as=file&path=/etc/passwd", "/administration/files?part=files&as=file&path=harddisk:../../etc/passwd",
	} {
		answer, text := c.get(path)
		if strings.Contains(text, "root:") || strings.Contains(text, "PRIVATE KEY") {
			b.t.Errorf("%s is answered with %s:\n%s", path, answer.Status, text)
		}
		if answer.StatusCode >= 500 {
			b.t.Errorf("%s is answered with %s", path, answer.Status)
		}
	}
	for _, p := range b.operatorPages() {
		answer, _ := get(b.t, b.client(), http.MethodGet, p, "", nil)
		if answer.StatusCode != http.StatusSeeOther || !strings.HasPrefix(answer.Header.Get("Location"), "/login") {
			b.t.Errorf("somebody gets %s at %s without a login", answer.Status, p)
		}
		answer, _ = get(b.t, b.client(), http.MethodPost, p, "part=x", map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
		if answer.StatusCode < 400 && !strings.HasPrefix(answer.Header.Get("Location"), "/login") {
			b.t.Errorf("a form of nobody is answered with %s at %s", answer.Status, p)
		}
	}
}

// pagesSizes: what is too large is refused, and what does not come is not waited
// for.
func pagesSizes(b *pagesBox) {
	c := b.enters("anna")
	answer, _ := c.post("/login", url.Values{"user": {strings.Repeat("x", 1<<20)}}, nil)
	if answer.StatusCode != http.StatusRequestEntityTooLarge {
		b.t.Errorf("a form of 1 MiB is answered with %s", answer.Status)
	}
	answer, _ = c.post("/", url.Values{"token": {c.token}, "part": {strings.Repeat("x", 1<<20)}}, nil)
	if answer.StatusCode != http.StatusRequestEntityTooLarge {
		b.t.Errorf("a form of 1 MiB is answered with %s", answer.Status)
	}
	if status := b.raw("GET /login HTTP/1.1\r\nHost: " + pagesHost + "\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"); status != 0 && status != http.StatusRequestHeaderFieldsTooLarge {
		b.t.Errorf("a head of 1 MiB is answered with %d", status)
	}
	conn, err := b.dialTLS(nil)
	b.check(err)
	defer conn.Close()
	begin := time.Now()
	_, err = io.WriteString(conn, "GET /login HTTP/1.1\r\nHost: ")
	b.check(err)
	conn.SetReadDeadline(begin.Add(2 * time.Minute))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) > 90*time.Second {
		b.t.Errorf("half a head is waited for %v: %v", time.Since(begin), err)
	}
}

// pagesRights: who may only look changes nothing, and does not see how.
func pagesRights(b *pagesBox) {
	c := b.enters("olga")
	before := b.running()
	for _, path := range b.operatorPages() {
		answer, page := c.get(path)
		if to := answer.Header.Get("Location"); strings.HasPrefix(to, path+"?at=") { // where it is about a place
			path = to
			answer, page = c.get(path)
		}
		if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusForbidden {
			b.t.Errorf("%s is answered with %s for olga", path, answer.Status)
		}
		for _, name := range partField.FindAllStringSubmatch(page, -1) {
			answer, _ := c.post(path, url.Values{"token": {c.token}, "part": {name[1]}, "do": {"commit"}}, nil)
			if answer.StatusCode >= 500 {
				b.t.Errorf("a form for %s at %s is answered with %s", name[1], path, answer.Status)
			}
		}
		if answer, _ := c.post(path, url.Values{"token": {c.token}, "part": {"commit"}, "do": {"commit"}}, nil); answer.StatusCode < 400 {
			b.t.Errorf("olga's commit at %s is answered with %s", path, answer.Status)
		}
	}
	if after := b.running(); after != before {
		b.t.Errorf("olga has changed the configuration to\n%s", after)
	}
}

var partField = regexp.MustCompile(`name="part" value="([^"]+)"`)
