package callhomed

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httputil"
	"strconv"
)

// Path is where messages are posted.
const Path = "/callhome"

// mostOctets bounds what is taken: a message has four traces of 3 MiB, in base64,
// and some more.
const mostOctets = 24 << 20

// formats are those that messages are read from, by their media types.
var formats = map[string]string{"application/soap+xml": "xml", "application/json": "json"}

// posts takes messages that are posted.
func (s *Server) posts() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+Path, s.post)
	return mux
}

// post takes one message.
func (s *Server) post(w http.ResponseWriter, r *http.Request) {
	// The body is read before anything else: while some is left, the end of the
	// connection is not seen.
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostOctets))
	head, _ := httputil.DumpRequest(r, false)
	d := &Delivery{
		Over: OverHTTPS, To: "https://" + r.Host + r.URL.Path, From: r.RemoteAddr,
		TLS: tls.VersionName(r.TLS.Version), Certificate: subject(r.TLS), Head: string(head), Raw: text,
	}
	a := Arrival{Over: OverHTTPS, From: r.RemoteAddr, Octets: append(head, text...)}
	f := s.strike(inMessage, OverHTTPS)
	a.Fault = f.Kind
	switch f.Kind {
	case Refuse, Silence, HangUp:
		a.Result = notTaken
		s.log(a)
		if f.Kind == Silence {
			<-r.Context().Done() // until the box gives up, or the server ends
		}
		if f.Kind != Refuse {
			panic(http.ErrAbortHandler)
		}
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		http.Error(w, "as the lab wants it", f.status(OverHTTPS))
		return
	}
	status := http.StatusBadRequest
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	if err == nil {
		media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if d.Format = formats[media]; d.Format == "" {
			status, err = http.StatusUnsupportedMediaType, fmt.Errorf("type %q: want application/soap+xml or application/json", media)
		}
	}
	if err == nil {
		d.Message, err = s.read(d.Format, text)
	}
	if err = s.conclude(d, a, err); err != nil {
		if errors.Is(err, errNotKept) {
			status = http.StatusInternalServerError
		}
		http.Error(w, err.Error(), status)
		return
	}
	switch f.Kind {
	case LostAnswer:
		panic(http.ErrAbortHandler)
	case Slow:
		f.delay(r.Context())
	}
	io.WriteString(w, d.Message.ID+"\n")
}

// conclude keeps a message that could be read, and logs what became of it.
func (s *Server) conclude(d *Delivery, a Arrival, err error) error {
	a.ID = d.Message.ID
	if err == nil {
		a.Result, err = s.take(d)
	}
	if err != nil {
		a.Result = err.Error()
	} else {
		a.Octets = nil // they are with the message, or were
	}
	s.log(a)
	return err
}

// subject is that of the certificate which the client has shown; empty: none.
func subject(state *tls.ConnectionState) string {
	if state == nil || len(state.PeerCertificates) == 0 {
		return ""
	}
	return state.PeerCertificates[0].Subject.String()
}
