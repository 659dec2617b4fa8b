package licensed

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"causeway/appliance/license/ela"
)

// nonces are those that were given out and not used. Each is good once, until
// so many others were given out.
type nonces struct {
	mu   sync.Mutex
	open []string // oldest first
}

const mostNonces = 1000

// give makes a nonce.
func (n *nonces) give() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.open) == mostNonces {
		n.open = slices.Delete(n.open, 0, 1)
	}
	nonce := rand.Text()
	n.open = append(n.open, nonce)
	return nonce
}

// take uses a nonce up. It fails when there is none such.
func (n *nonces) take(nonce string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	at := slices.Index(n.open, nonce)
	if at < 0 {
		return false
	}
	n.open = slices.Delete(n.open, at, at+1)
	return true
}

// serveNonce gives a nonce.
func (s *Server) serveNonce(w http.ResponseWriter, r *http.Request) {
	if _, ended := s.strike(w, r, onNonce); ended {
		return
	}
	s.head(w)
	w.WriteHeader(http.StatusNoContent)
}

// head puts into an answer what stands in each.
func (s *Server) head(w http.ResponseWriter) {
	w.Header().Set(ela.NonceHeader, s.nonces.give())
	w.Header().Set("Cache-Control", "no-store")
}

// strike gives the fault that befalls a request. A request that is not to be
// done has ended with it.
func (s *Server) strike(w http.ResponseWriter, r *http.Request, typ string) (f *Fault, ended bool) {
	s.mu.Lock()
	f = s.takeFault(typ)
	if ended = faultKinds[f.kind()]; ended {
		s.record(Exchange{From: r.RemoteAddr, Type: typ, Result: "not done", Fault: f.Kind}, nil)
	}
	s.mu.Unlock()
	switch f.kind() {
	case Silence:
		<-r.Context().Done() // until the box gives up, or the server ends
		panic(http.ErrAbortHandler)
	case HangUp:
		panic(http.ErrAbortHandler)
	case Refuse:
		problem := problemOf(refuse(cmp.Or(f.Problem, ela.ServerFault), "as the lab wants it"))
		problem.Status = cmp.Or(f.Status, problem.Status)
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		s.writeProblem(w, problem)
	}
	return f, ended
}

// serve answers a request of that kind.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, k kind) {
	// The body is read before anything else: while some is left, the end of the
	// connection is not seen.
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	fault, ended := s.strike(w, r, k.typ)
	if ended {
		return
	}
	log := Exchange{From: r.RemoteAddr, Type: k.typ, Fault: fault.kind()}
	var answer []byte
	s.mu.Lock()
	if err != nil {
		err = refuse(ela.BadRequest, err.Error())
	} else {
		answer, err = s.exchange(r, k, text, fault, &log)
	}
	s.record(log, err)
	s.mu.Unlock()
	if fault.kind() == LostReply {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		s.writeProblem(w, problemOf(err))
		return
	}
	s.head(w)
	w.Header().Set("Content-Type", ela.MediaType)
	w.Write(answer)
}

// exchange answers a request that came over HTTP. s.mu is held.
func (s *Server) exchange(r *http.Request, k kind, text []byte, fault *Fault, log *Exchange) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != ela.MediaType {
		return nil, refuse(ela.BadRequest, "want a body of type "+ela.MediaType)
	}
	request, err := parse(text)
	if err != nil {
		return nil, refuse(ela.BadRequest, err.Error())
	}
	if url := "https://" + r.Host + r.URL.Path; request.header.URL != url || request.path != k.path {
		return nil, refuse(ela.BadRequest, request.typ+" for "+request.header.URL+" came to "+url)
	}
	if !s.nonces.take(request.header.Nonce) {
		return nil, refuse(ela.BadNonce, "it was never given out, or long ago, or was used")
	}
	return s.do(request, fault, log)
}

// writeProblem tells the box why its request is not done.
func (s *Server) writeProblem(w http.ResponseWriter, problem ela.Problem) {
	s.head(w)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(problem.Status)
	json.NewEncoder(w).Encode(problem)
}
