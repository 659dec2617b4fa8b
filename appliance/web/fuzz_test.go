package web

import (
	"bufio"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

// still is a server that nobody has to run, with the page /test.
func still() (*Server, *[]string) {
	s := New(Options{
		Certificate: noCertificate, HostName: func() string { return "box" }, Zone: func() *time.Location { return time.UTC },
		Login: newEntries(10).people, Call: noCall, Log: slog.New(slog.DiscardHandler),
	})
	return s, (&box{server: s}).addTest()
}

// FuzzHost: no name but those of the box is taken for it, whatever is around it.
func FuzzHost(f *testing.F) {
	for _, host := range []string{"box", "box.:443", "[::1]:443", "::1", "127.0.0.1", "localhost", "[fe80::1%25lan1]", "box:attacker.example", "", ":", "]:", "[", "a]b:c"} {
		f.Add(host)
	}
	s, _ := still()
	f.Fuzz(func(t *testing.T, host string) {
		if !s.answersTo(host) {
			return
		}
		rest := strings.ToLower(host)
		if u, err := url.Parse("https://" + host + "/"); err == nil { // as a browser reads it
			rest = strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
		}
		if rest != "box" && rest != "localhost" && strings.ContainsAny(rest, "ghijklmnopqrstuvwxyz") && !strings.Contains(rest, "%") {
			t.Errorf("the box answers to %q", host)
		}
	})
}

// FuzzRequest: whatever comes from who has not logged in leads to the login page or is
// refused, under the policy of the pages, and does nothing.
func FuzzRequest(f *testing.F) {
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: box\r\n\r\n",
		"GET /login?to=//attacker.example HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n",
		"POST /login HTTP/1.1\r\nHost: box\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 23\r\n\r\ntoken=a&user=b&to=//c/d",
		"POST /test HTTP/1.1\r\nHost: box\r\nCookie: __Host-causeway=AAAA; __Host-causeway-door=\"b\"\r\nContent-Length: 9\r\n\r\npart=fake",
		"POST /logout HTTP/1.1\r\nHost: box\r\nOrigin: https://box\r\nContent-Length: 0\r\n\r\n",
		"GET /test?part=fake&as=file&at=a&at=b HTTP/1.1\r\nHost: localhost\r\nX-Causeway-Live: 1\r\n\r\n",
		"GET /static/../page.go HTTP/1.1\r\nHost: box\r\nSec-Fetch-Site: cross-site\r\n\r\n",
		"GET https://box//attacker.example/ HTTP/1.1\r\nHost: box\r\n\r\n",
	} {
		f.Add(request)
	}
	s, taken := still()
	f.Fuzz(func(t *testing.T, text string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		r.RemoteAddr = "192.0.2.7:50122"
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		answer := w.Result()
		if len(*taken) > 0 || w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
			t.Errorf("%q = %d, %d forms taken; want it refused", text, w.Code, len(*taken))
		}
		if answer.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%q = %d without a policy", text, w.Code)
		}
		if to := answer.Header.Get("Location"); to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`)) {
			t.Errorf("%q leads to %q", text, to)
		}
		for _, cookie := range answer.Cookies() {
			if cookie.Name == sessionCookie && cookie.MaxAge >= 0 {
				t.Errorf("%q sets a session", text)
			}
		}
	})
}

// FuzzForm: whatever somebody sends who has logged in is taken with the token of his
// session alone, and nothing of it stands in a page as HTML.
func FuzzForm(f *testing.F) {
	const boundary = "multipart/form-data; boundary=b"
	for _, seed := range [][2]string{
		{"application/x-www-form-urlencoded", "part=fake&do=it"},
		{"application/x-www-form-urlencoded", "part=fake&do=<script>&at=%3Cscript%3E"},
		{"application/x-www-form-urlencoded", "part=fake&do=again&part=other&token=x"},
		{boundary, "--b\r\nContent-Disposition: form-data; name=\"part\"\r\n\r\nfake\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"<script>\"\r\n\r\nx\r\n--b--\r\n"},
		{"multipart/form-data; boundary=\"", "--b"},
		{"multipart/mixed; boundary=b", "--b--"},
	} {
		f.Add(seed[0], seed[1], true)
	}
	s, taken := still()
	cookie, opened := s.sessions.begin(model.Login{Session: 1, Operator: model.Operator{User: user}, Rights: everything})
	f.Cleanup(s.sessions.endAll)
	f.Fuzz(func(t *testing.T, kind, body string, knows bool) {
		if knows {
			switch {
			case strings.HasPrefix(kind, "multipart/"):
				body = "--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n" + opened.token + "\r\n" + body
			default:
				body = "token=" + opened.token + "&" + body
			}
		}
		r := httptest.NewRequest(http.MethodPost, "https://box/test", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: cookie})
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if len(*taken) > 0 && !knows || w.Code >= 500 {
			t.Errorf("%s %q = %d, taken %q", kind, body, w.Code, *taken)
		}
		*taken = nil
		if w.Code == http.StatusSeeOther {
			if to := w.Header().Get("Location"); !strings.HasPrefix(to, "/test") {
				t.Errorf("%s %q leads to %q", kind, body, to)
			}
			page := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "https://box"+w.Header().Get("Location"), nil)
			r.AddCookie(&http.Cookie{Name: sessionCookie, Value: cookie})
			s.handler.ServeHTTP(page, r)
			w = page
		}
		if strings.Contains(w.Body.String(), "<script>") {
			t.Errorf("%s %q comes back as HTML: %s", kind, body, w.Body)
		}
	})
}
