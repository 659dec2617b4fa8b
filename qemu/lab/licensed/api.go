package licensed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// API drives the server: JSON over HTTP, without any protection. The paths are
// in docs/lab.md.
func (s *Server) API() http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range map[string]func(*http.Request) (any, error){
		"GET /root.pem":                              s.apiRoot,
		"GET /accounts":                              s.apiAccounts,
		"PUT /accounts/{account}":                    s.apiAddAccount,
		"GET /accounts/{account}/tokens":             s.apiTokens,
		"POST /accounts/{account}/tokens":            s.apiNewToken,
		"PUT /accounts/{account}/licenses/{product}": s.apiSetQuantity,
		"GET /accounts/{account}/inventory":          s.apiInventory,
		"GET /accounts/{account}/inventory.txt":      s.apiInventoryText,
		"GET /instances":                             s.apiInstances,
		"POST /instances/{instance}/revoke":          s.apiRevoke,
		"GET /faults":                                s.apiFaults,
		"PUT /faults":                                s.apiSetFaults,
		"GET /clock":                                 s.apiClock,
		"POST /clock":                                s.apiAdvanceClock,
		"GET /signing-certificates":                  s.apiSigning,
		"POST /signing-certificates":                 s.apiRotateSigning,
		"GET /exchanges":                             s.apiExchanges,
		"POST /offline":                              s.apiOffline,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serveAPI(w, r, do) })
	}
	return mux
}

// serveAPI answers with what do gives: octets as they are, text, or JSON.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request, do func(*http.Request) (any, error)) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	answer, err := do(r)
	var refused *refusal
	switch {
	case errors.Is(err, ErrNoAccount), errors.Is(err, ErrNoInstance), errors.Is(err, ErrNoProduct):
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	case errors.As(err, &refused):
		s.writeProblem(w, problemOf(err)) // a box takes it from a file as well
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch answer := answer.(type) {
	case nil:
		w.WriteHeader(http.StatusNoContent)
	case []byte:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(answer)
	case string:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, answer)
	default:
		w.Header().Set("Content-Type", "application/json")
		text := json.NewEncoder(w)
		text.SetIndent("", "  ")
		text.Encode(answer)
	}
}

// readBody reads the JSON of a request. Members that nobody knows are refused:
// a person types these.
func readBody(r *http.Request, into any) error {
	body := json.NewDecoder(r.Body)
	body.DisallowUnknownFields()
	if err := body.Decode(into); err != nil {
		return fmt.Errorf("read the body of the request: %w", err)
	}
	return nil
}

func (s *Server) apiRoot(*http.Request) (any, error) { return string(s.Root()), nil }

func (s *Server) apiAccounts(*http.Request) (any, error) { return s.Accounts(), nil }

func (s *Server) apiAddAccount(r *http.Request) (any, error) {
	var body struct {
		Smart string `json:"smart_account"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	return nil, s.AddAccount(body.Smart, r.PathValue("account"))
}

func (s *Server) apiTokens(r *http.Request) (any, error) { return s.Tokens(r.PathValue("account")) }

func (s *Server) apiNewToken(r *http.Request) (any, error) {
	body := struct {
		Valid int `json:"valid"` // seconds
		Uses  int `json:"uses"`
	}{int(30 * day / time.Second), 1}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	token, err := s.NewToken(r.PathValue("account"), time.Duration(body.Valid)*time.Second, body.Uses)
	return map[string]string{"token": token}, err
}

func (s *Server) apiSetQuantity(r *http.Request) (any, error) {
	var body struct {
		Quantity int `json:"quantity"`
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	return nil, s.SetQuantity(r.PathValue("account"), r.PathValue("product"), body.Quantity)
}

func (s *Server) apiInventory(r *http.Request) (any, error) {
	return s.Inventory(r.PathValue("account"))
}

func (s *Server) apiInventoryText(r *http.Request) (any, error) {
	inventory, err := s.Inventory(r.PathValue("account"))
	return inventory.String(), err
}

func (s *Server) apiInstances(*http.Request) (any, error) { return s.Instances(), nil }

func (s *Server) apiRevoke(r *http.Request) (any, error) {
	return nil, s.Revoke(r.PathValue("instance"))
}

func (s *Server) apiFaults(*http.Request) (any, error) { return s.Faults(), nil }

func (s *Server) apiSetFaults(r *http.Request) (any, error) {
	var faults []Fault
	if err := readBody(r, &faults); err != nil {
		return nil, err
	}
	return nil, s.SetFaults(faults...)
}

// apiClock is the clock: its time, and how far it is ahead of this machine's.
func (s *Server) apiClock(*http.Request) (any, error) {
	now := s.Now()
	return map[string]any{"time": now, "ahead": int(now.Sub(s.base()).Round(time.Second) / time.Second)}, nil
}

func (s *Server) apiAdvanceClock(r *http.Request) (any, error) {
	var body struct {
		Advance int `json:"advance"` // seconds
	}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	if err := s.AdvanceClock(time.Duration(body.Advance) * time.Second); err != nil {
		return nil, err
	}
	return s.apiClock(r)
}

func (s *Server) apiSigning(*http.Request) (any, error) {
	var text strings.Builder
	for _, c := range s.SigningCertificates() {
		text.WriteString(encodePEM(c))
	}
	return text.String(), nil
}

func (s *Server) apiRotateSigning(r *http.Request) (any, error) {
	if err := s.RotateSigning(); err != nil {
		return nil, err
	}
	return s.apiSigning(r)
}

func (s *Server) apiExchanges(*http.Request) (any, error) { return s.Exchanges(), nil }

func (s *Server) apiOffline(r *http.Request) (any, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return s.AnswerFile(text)
}
