package web

import (
	"bytes"
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// What a request may bring.
const (
	headerOctets = 16 << 10
	doorOctets   = 8 << 10 // a form of somebody who has not logged in
	formOctets   = 256 << 10
)

var (
	errToken  = errors.New("the form is not from this session: open the page again")
	errOrigin = errors.New("the form is from another site")
	errMethod = errors.New("the pages know GET, HEAD and POST")
)

// headers are on every answer. Nothing is run or shown but what the box itself
// serves, nobody frames it, and nothing is kept by others.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
	"X-Frame-Options":              "DENY",
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "same-origin", // with "no-referrer" forms would have the origin "null"
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
	"Cache-Control":                "no-store",
}

// strict has browsers come over HTTPS alone, and bear no doubt about the certificate
// (RFC 6797). One that the box has signed for itself always comes with a doubt.
const strict = "max-age=604800"

// guard lets through what a browser sends that looks at this box and at nothing
// else.
func (s *Server) guard(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		if c, err := s.Certificate(); err == nil && c.Leaf != nil && !bytes.Equal(c.Leaf.RawIssuer, c.Leaf.RawSubject) {
			w.Header().Set("Strict-Transport-Security", strict)
		}
		switch err := origins.Check(r); {
		case !s.answersTo(r.Host):
			s.refuse(w, http.StatusMisdirectedRequest, errors.New("this box has another name: use its address, or a certificate for web that has this name"))
		case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
			w.Header().Set("Allow", "GET, HEAD, POST")
			s.refuse(w, http.StatusMethodNotAllowed, errMethod)
		case err != nil:
			s.refuse(w, http.StatusForbidden, errOrigin)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// answersTo says whether a request is for the box. A page of another name that has
// come to mean this address (DNS rebinding) would otherwise count as one of ours;
// an address is nobody else's.
func (s *Server) answersTo(host string) bool {
	name := hostOf(host)
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil || name == "localhost" {
		return true
	}
	if name == "" {
		return false
	}
	if strings.EqualFold(s.HostName(), name) {
		return true
	}
	certificate, err := s.Certificate()
	return err == nil && certificate.Leaf != nil && certificate.Leaf.VerifyHostname(name) == nil
}

// hostOf is the name in a Host header, in small letters, without its port and the
// dot of a complete one.
func hostOf(header string) string {
	name := header
	if i := strings.LastIndexByte(name, ':'); i >= 0 && strings.Trim(name[i+1:], "0123456789") == "" {
		name = name[:i]
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}
