package callhomed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// API drives the server: JSON over HTTP, without any protection. The paths are
// in docs/lab.md.
func (s *Server) API() http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range map[string]func(*http.Request) (any, error){
		"GET /root.pem":          func(*http.Request) (any, error) { return string(s.Root()), nil },
		"GET /messages":          s.apiMessages,
		"GET /messages/{number}": func(r *http.Request) (any, error) { return s.apiDelivery(r) },
		"GET /messages/{number}/raw": func(r *http.Request) (any, error) {
			d, err := s.apiDelivery(r)
			return d.Raw, err
		},
		"GET /messages/{number}/text": func(r *http.Request) (any, error) {
			d, err := s.apiDelivery(r)
			return d.Text(), err
		},
		"GET /alerts":                func(*http.Request) (any, error) { return s.Alerts(), nil },
		"GET /boxes":                 func(*http.Request) (any, error) { return s.Boxes(), nil },
		"GET /boxes/{serial}/{kind}": s.apiNewest,
		"GET /arrivals":              func(*http.Request) (any, error) { return s.Arrivals(), nil },
		"GET /faults":                func(*http.Request) (any, error) { return s.Faults(), nil },
		"PUT /faults":                s.apiSetFaults,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { serveAPI(w, r, do) })
	}
	return mux
}

// serveAPI answers with what do gives: octets as they are, text, or JSON.
func serveAPI(w http.ResponseWriter, r *http.Request, do func(*http.Request) (any, error)) {
	answer, err := do(r)
	switch {
	case errors.Is(err, ErrNoMessage):
		http.Error(w, err.Error(), http.StatusNotFound)
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

// line is a message in the list of all.
type line struct {
	Number      int       `json:"number"`
	ID          string    `json:"id"`
	Kind        string    `json:"kind,omitempty"`
	To          string    `json:"to"`
	Format      string    `json:"format"`
	First       time.Time `json:"first"`
	Repeated    int       `json:"repeated"`
	Description string    `json:"description"`
}

func (s *Server) apiMessages(*http.Request) (any, error) {
	lines := []line{}
	for _, d := range s.Deliveries() {
		lines = append(lines, line{d.Number, d.Message.ID, d.Message.Kind, d.To, d.Format, d.First, d.Repeated, d.Message.Description})
	}
	return lines, nil
}

func (s *Server) apiDelivery(r *http.Request) (Delivery, error) {
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil {
		return Delivery{}, fmt.Errorf("%w: %s", ErrNoMessage, r.PathValue("number"))
	}
	return s.Delivery(number)
}

func (s *Server) apiNewest(r *http.Request) (any, error) {
	d, err := s.Newest(r.PathValue("serial"), r.PathValue("kind"))
	return d.Message, err
}

func (s *Server) apiSetFaults(r *http.Request) (any, error) {
	body := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	body.DisallowUnknownFields() // a person types these
	var faults []Fault
	if err := body.Decode(&faults); err != nil {
		return nil, fmt.Errorf("read the faults: %w", err)
	}
	return nil, s.SetFaults(faults...)
}
