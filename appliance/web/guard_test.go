package web

import (
	"bytes"
	"crypto/tls"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// with sets a header of a request.
func with(r *http.Request, name, value string) *http.Request {
	r.Header.Set(name, value)
	return r
}

// form is a request that sends one.
func (w *browser) form(path string, fields url.Values) *http.Request {
	return with(w.request(http.MethodPost, path, fields.Encode()), "Content-Type", "application/x-www-form-urlencoded")
}

// TestHosts: the box answers to its addresses and its names alone, so that no other
// name can come to mean it (DNS rebinding).
func TestHosts(t *testing.T) {
	b := newBox(t, nil)
	w := b.browser(t)
	for host, want := range map[string]int{
		"192.0.2.1": 200, "192.0.2.1:8443": 200, "[2001:db8::1]": 200, "[2001:db8::1]:443": 200,
		"localhost": 200, "localhost:4443": 200, "box": 200, "BOX.:443": 200,
		"example.com":      200, // of the certificate of tests
		"attacker.example": 421, "box.attacker.example": 421, "192.0.2.1.attacker.example": 421,
		"box:443:443": 421, "[box]": 421, "]": 421, ":443": 421, "0x7f000001": 421, "127.1": 421,
	} {
		r := w.request(http.MethodGet, loginPath, "")
		r.Host = host
		if answer, text := w.do(r); answer.StatusCode != want {
			t.Errorf("GET /login of %q = %d %s; want %d", host, answer.StatusCode, text, want)
		}
	}
}

// TestRequestLines are those that a client must be written for.
func TestRequestLines(t *testing.T) {
	b := newBox(t, nil)
	for name, test := range map[string]struct{ text, want string }{
		"no host":       {"GET /login HTTP/1.1\r\n\r\n", "400"},
		"no host, 1.0":  {"GET /login HTTP/1.0\r\n\r\n", "421"},
		"two hosts":     {"GET /login HTTP/1.1\r\nHost: box\r\nHost: box\r\n\r\n", "400"},
		"another's URL": {"GET https://attacker.example/login HTTP/1.1\r\nHost: box\r\n\r\n", "421"},
		"a tunnel":      {"CONNECT 192.0.2.1:22 HTTP/1.1\r\nHost: box\r\n\r\n", "405"},
		"a star":        {"OPTIONS * HTTP/1.1\r\nHost: box\r\n\r\n", "405"},
		"a long header": {"GET /login HTTP/1.1\r\nHost: box\r\nCookie: " + strings.Repeat("x", 32<<10) + "\r\n\r\n", "431"},
		"many headers":  {"GET /login HTTP/1.1\r\nHost: box\r\n" + strings.Repeat("A: b\r\n", 8<<10) + "\r\n", "431"},
		"a long line":   {"GET /" + strings.Repeat("x", 32<<10) + " HTTP/1.1\r\nHost: box\r\n\r\n", "431"},
		"HTTP/2":        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "421"},
		"two lengths":   {"POST /login HTTP/1.1\r\nHost: box\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "400"},
		"gzip":          {"POST /login HTTP/1.1\r\nHost: box\r\nTransfer-Encoding: gzip\r\n\r\nxx", "501"},
	} {
		conn, err := tls.Dial("tcp", b.web.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		go io.WriteString(conn, test.text) // the answer may come before its end
		answer := make([]byte, len("HTTP/1.1 400"))
		if _, err := io.ReadFull(conn, answer); err != nil || !strings.HasSuffix(string(answer), test.want) {
			t.Errorf("%s: the answer is %q, %v; want %s", name, answer, err, test.want)
		}
		conn.Close()
	}
}

// TestHeaders: what protects the pages is on every answer.
func TestHeaders(t *testing.T) {
	b := newBox(t, nil)
	w := b.login(t, user)
	other := w.request(http.MethodGet, "/", "")
	other.Host = "attacker.example"
	for name, r := range map[string]*http.Request{
		"a page": w.request(http.MethodGet, "/", ""), "a part": w.request(http.MethodGet, "/?part=calls", ""),
		"the login page": b.browser(t).request(http.MethodGet, loginPath, ""), "nothing": w.request(http.MethodGet, "/none", ""),
		"another name": other, "another method": w.request(http.MethodDelete, "/", ""),
		"a form without a token": w.form("/", nil), "a file": w.request(http.MethodGet, b.server.assets["style.css"].URL, ""),
	} {
		answer, _ := w.do(r)
		for header, want := range headers {
			if name == "a file" && header == "Cache-Control" {
				want = "public, max-age=31536000, immutable"
			}
			if got := answer.Header.Get(header); got != want {
				t.Errorf("%s: %s: %q; want %q", name, header, got, want)
			}
		}
		if got := answer.Header.Get("Strict-Transport-Security"); got != "" {
			t.Errorf("%s: a box with a certificate of its own asks browsers to trust it: %q", name, got)
		}
	}
	for _, directive := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if policy := headers["Content-Security-Policy"]; !strings.Contains(policy, directive) {
			t.Errorf("the policy is %q; want %q in it", policy, directive)
		}
	}
	if strings.Contains(headers["Content-Security-Policy"], "unsafe") {
		t.Error("the policy allows what is unsafe")
	}
}

// TestOrigins: forms of other sites are refused, and what they would do is not done.
func TestOrigins(t *testing.T) {
	b := newBox(t, nil)
	taken := b.addTest()
	w := b.login(t, user)
	_, page := w.get("/test")
	fields := url.Values{"part": {"fake"}, "token": {tokenOf(t, page)}}
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		want   int
	}{
		{"another site", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		{"another port", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		{"another origin", func(r *http.Request) { r.Header.Set("Origin", "https://attacker.example") }, 403},
		{"plain HTTP", func(r *http.Request) { r.Header.Set("Origin", "http://"+r.URL.Host+":80") }, 403},
		{"no origin at all", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		{"a frame", func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Dest", "iframe")
		}, 403},
		{"ours", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin"); r.Header.Set("Origin", w.base) }, 303},
		{"ours, an old browser", func(r *http.Request) { r.Header.Set("Origin", w.base) }, 303},
	} {
		before := len(*taken)
		r := w.form("/test", fields)
		test.change(r)
		if answer, text := w.do(r); answer.StatusCode != test.want || (len(*taken) > before) != (test.want == 303) {
			t.Errorf("%s: %d, %d forms taken, %s; want %d", test.name, answer.StatusCode, len(*taken)-before, text, test.want)
		}
	}
}

// TestTokens: a form without the token of its session does nothing (CSRF).
func TestTokens(t *testing.T) {
	b := newBox(t, nil)
	taken := b.addTest()
	w, other := b.login(t, user), b.login(t, user)
	_, page := other.get("/test")
	for name, token := range map[string][]string{"none": nil, "an empty one": {""}, "another session's": {tokenOf(t, page)}} {
		for _, path := range []string{"/test", logoutPath} {
			if status, text, _ := w.post(path, url.Values{"part": {"fake"}, "token": token}); status != http.StatusForbidden {
				t.Errorf("%s with token %s = %d %s; want 403", path, name, status, text)
			}
		}
	}
	_, page = w.get("/test") // nobody was logged out
	token := tokenOf(t, page)
	if status, _, _ := w.post("/test?part=fake&token="+token, nil); status != http.StatusForbidden {
		t.Errorf("a token in the address = %d; want 403: addresses are written down", status)
	}
	if status, _ := w.get("/test?part=fake&token=" + token); status != http.StatusOK || len(*taken) != 0 {
		t.Errorf("GET = %d, and %d forms were taken; want 200, none", status, len(*taken))
	}
	if answer, _ := w.do(w.request("GET", logoutPath+"?token="+token, "")); answer.StatusCode != http.StatusNotFound {
		t.Errorf("GET %s = %d; want 404", logoutPath, answer.StatusCode)
	}
	if status, _, _ := w.post("/test", url.Values{"part": {"fake"}, "token": {token}}); status != http.StatusSeeOther || len(*taken) != 1 {
		t.Errorf("with its own = %d, %d taken; want 303, 1", status, len(*taken))
	}
}

// TestLoginToken: no other page can log somebody in under a name of its choice, and
// no cookie of its choice becomes a session (session fixation).
func TestLoginToken(t *testing.T) {
	b := newBox(t, nil)
	attacker, victim := b.browser(t), b.browser(t)
	_, page := attacker.get(loginPath)
	foreign := url.Values{"token": {tokenOf(t, page)}, "user": {user}, "password": {password}}
	if status, text, _ := victim.post(loginPath, foreign); status != http.StatusForbidden || !strings.Contains(text, "too old") {
		t.Errorf("log in without a cookie = %d %s; want 403", status, text)
	}
	if status, _, _ := victim.post(loginPath, foreign); status != http.StatusForbidden { // it has a cookie now
		t.Errorf("log in with the token of another cookie = %d; want 403", status)
	}
	at, err := url.Parse(victim.base)
	if err != nil {
		t.Fatal(err)
	}
	const planted = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	victim.Jar.SetCookies(at, []*http.Cookie{{Name: sessionCookie, Value: planted, Secure: true, Path: "/"}})
	_, page = victim.get(loginPath)
	foreign.Set("token", tokenOf(t, page))
	answer, _ := victim.do(victim.form(loginPath, foreign))
	if answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("log in = %d; want 303", answer.StatusCode)
	}
	set := answer.Cookies()
	i := slices.IndexFunc(set, func(c *http.Cookie) bool { return c.Name == sessionCookie })
	if i < 0 || set[i].Value == planted || len(set[i].Value) != len(planted) {
		t.Fatalf("the login sets %v; want a session of its own", set)
	}
	if c := set[i]; !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 {
		t.Errorf("the cookie is %v; want it Secure, HttpOnly, SameSite=Strict, of / and no domain", c)
	}
	first := set[i].Value
	_, page = attacker.get(loginPath)
	if _, text := victim.get("/"); !strings.Contains(text, "alice") {
		t.Error("the victim is not logged in")
	}

	// Who logs in again leaves the first session.
	answer, _ = victim.do(victim.form(loginPath, url.Values{"token": {tokenOf(t, page)}, "user": {user}, "password": {password}}))
	if answer.StatusCode != http.StatusForbidden { // the login page went with the login
		t.Errorf("log in with a token of before = %d; want 403", answer.StatusCode)
	}
	victim.Jar.SetCookies(at, []*http.Cookie{{Name: sessionCookie, Value: planted, Secure: true, Path: "/"}})
	_, page = victim.get(loginPath)
	victim.Jar.SetCookies(at, []*http.Cookie{{Name: sessionCookie, Value: first, Secure: true, Path: "/"}})
	if status, _, _ := victim.post(loginPath, url.Values{"token": {tokenOf(t, page)}, "user": {user}, "password": {password}}); status != http.StatusSeeOther {
		t.Fatalf("log in again = %d; want 303", status)
	}
	victim.Jar.SetCookies(at, []*http.Cookie{{Name: sessionCookie, Value: first, Secure: true, Path: "/"}})
	if status, _ := victim.get("/"); status != http.StatusSeeOther {
		t.Errorf("the first session answers with %d; want 303 to the login page", status)
	}
}

// TestLogins: of one source few wait for an answer to their passwords; the others can
// log in beside it.
func TestLogins(t *testing.T) {
	s, _ := still()
	who := s.Login.(*people)
	cookie := secret()
	login := func(address string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "https://box"+loginPath,
			strings.NewReader(url.Values{"token": {s.doorToken(cookie)}, "user": {user}, "password": {password}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: doorCookie, Value: cookie})
		r.RemoteAddr = address
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		return w
	}
	synctest.Test(t, func(t *testing.T) {
		who.hold = make(chan struct{})
		answers := make(chan int, loginsOfSource+1)
		for range loginsOfSource {
			go func() { answers <- login("192.0.2.7:1").Code }()
		}
		synctest.Wait()
		if w := login("192.0.2.7:2"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "Try again") {
			t.Errorf("one more of the source = %d %s; want 503", w.Code, w.Body)
		}
		go func() { answers <- login("192.0.2.8:1").Code }()
		synctest.Wait()
		close(who.hold)
		for range loginsOfSource + 1 {
			if got := <-answers; got != http.StatusSeeOther {
				t.Errorf("a login = %d; want 303", got)
			}
		}
		s.sessions.endAll()
	})
}

// TestDestinations: a login leads to a page of the box, and nowhere else.
func TestDestinations(t *testing.T) {
	s := newBox(t, nil).server
	for to, want := range map[string]string{
		"/": "/", "/?at=sbc&at=sbe": "/?at=sbc&at=sbe", "": "/", "/none": "/", "/?to=x": "/",
		"https://attacker.example/": "/", "//attacker.example/": "/", "///attacker.example": "/", `/\attacker.example`: "/",
		"javascript:alert(1)": "/", "/%2f/attacker.example": "/", "/../": "/", " /": "/", "/#x": "/", "https:/": "/", "\x00": "/",
	} {
		if got := s.destination(to); got != want {
			t.Errorf("destination(%q) = %q; want %q", to, got, want)
		}
	}
}

// TestTraversal: no path leads out of what is served.
func TestTraversal(t *testing.T) {
	b := newBox(t, nil)
	w := b.login(t, user)
	for _, path := range []string{
		"/static/", "/static/style.css", "/static/../web.go", "/static/..%2f..%2fweb.go", "/static/%2e%2e/web.go", "/static/....//web.go",
		"/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%5c..%5cetc/passwd", "//etc/passwd", "/etc/passwd%00", "/templates/login.html",
		"/.git/config", "/debug/pprof/", "/metrics",
	} {
		r := w.request(http.MethodGet, "/", "")
		r.URL.Opaque = "//" + r.URL.Host + path // as it is
		answer, text := w.do(r)
		if status := answer.StatusCode; status != http.StatusNotFound && status != http.StatusMovedPermanently && status != http.StatusTemporaryRedirect &&
			status != http.StatusBadRequest || strings.Contains(text, "package web") || strings.Contains(text, "root:") {
			t.Errorf("GET %s = %d %.200s; want 404", path, status, text)
		}
		if to := answer.Header.Get("Location"); strings.HasPrefix(to, "//") {
			t.Errorf("GET %s leads to %s", path, to)
		}
	}
}

// TestBodies: what is too long is refused before it is read.
func TestBodies(t *testing.T) {
	b := newBox(t, nil)
	taken := b.addTest()
	w := b.login(t, user)
	_, page := w.get("/test")
	fields := url.Values{"part": {"fake"}, "token": {tokenOf(t, page)}}
	long := fields.Encode() + "&long="
	bodies := map[string]struct {
		path, kind, body string
		want             int
	}{
		"as long as it may be": {"/test", "application/x-www-form-urlencoded", long + strings.Repeat("x", formOctets-len(long)), 303},
		"too long":             {"/test", "application/x-www-form-urlencoded", long + strings.Repeat("x", formOctets-len(long)+1), 413},
		"a long login":         {loginPath, "application/x-www-form-urlencoded", "user=" + strings.Repeat("x", doorOctets), 413},
		"no form":              {"/test", "application/json", `{"part":"fake"}`, 403},
		"no kind":              {"/test", "", fields.Encode(), 403},
		"a broken form":        {"/test", "application/x-www-form-urlencoded", "%zz", 400},
		"no boundary":          {"/test", "multipart/form-data", "x", 400},
	}
	for name, fill := range map[string]func(*multipart.Writer){
		"many fields": func(m *multipart.Writer) {
			for range 300 {
				m.WriteField(strings.Repeat("n", 500), strings.Repeat("x", 500))
			}
		},
		"a long field": func(m *multipart.Writer) { m.WriteField("x", strings.Repeat("x", formOctets)) },
	} {
		var body bytes.Buffer
		m := multipart.NewWriter(&body)
		m.WriteField("part", "fake")
		m.WriteField("token", fields.Get("token"))
		fill(m)
		m.Close()
		bodies[name] = struct {
			path, kind, body string
			want             int
		}{"/test", m.FormDataContentType(), body.String(), 413}
	}
	for name, test := range bodies {
		before := len(*taken)
		answer, text := w.do(with(w.request(http.MethodPost, test.path, test.body), "Content-Type", test.kind))
		if answer.StatusCode != test.want || (len(*taken) > before) != (test.want == 303) {
			t.Errorf("%s: %d, %d forms taken, %s; want %d", name, answer.StatusCode, len(*taken)-before, text, test.want)
		}
	}
}

// TestFieldsWithoutEnd: the fields before a file are bounded, empty ones as well.
func TestFieldsWithoutEnd(t *testing.T) {
	b := newBox(t, nil)
	w := b.login(t, user)
	field := "--b\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n\r\n"
	for _, body := range []string{strings.Repeat(field, formOctets/len(field)+1), "--b\r\nX: " + strings.Repeat("x", formOctets)} {
		r := with(w.request(http.MethodPost, "/", body+"--b--\r\n"), "Content-Type", "multipart/form-data; boundary=b")
		if answer, text := w.do(r); answer.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%.60q… = %d %s; want 413", body, answer.StatusCode, text)
		}
	}
}
