// Package api is what operators have of COM: JSON over HTTPS, with a token for
// each. An operator of a partner sees the customers of the partner and their
// boxes; one without a partner runs COM, and may do what is behind "admin" in
// the table. What operators want of boxes goes to the box as they have signed
// it. Every call is in the audit trail, without its parameters.
package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/bus"
	"causeway/qemu/lab/comd/gateway"
	"causeway/qemu/lab/comd/registry"
	"causeway/qemu/lab/comd/store"
)

// Options are what an API is made with.
type Options struct {
	Bus          bus.Bus
	Store        store.Store
	Registry     *registry.Registry
	Root         []byte // what boxes have to trust, in PEM
	Now          func() time.Time
	AdvanceClock func(context.Context, time.Duration) error
	Faults       Faults
	Log          *log.Logger
}

// Faults are those of the lab.
type Faults interface {
	SetFaults(...gateway.Fault) error
	Faults() []gateway.Fault
}

// api answers operators.
type api struct{ Options }

// request is one call.
type request struct {
	*http.Request
	token store.Token
	box   store.Box // of a path with {box}
	actor string    // of a call to the box, for the audit trail
}

// readBody reads the JSON of a request. Members that nobody knows are refused: a
// person may type these.
func (r *request) readBody(into any) error {
	body := json.NewDecoder(r.Body)
	body.DisallowUnknownFields()
	if err := body.Decode(into); err != nil {
		return fmt.Errorf("read the body of the request: %w", err)
	}
	return nil
}

// route is one call of the API.
type route struct {
	pattern string
	admin   bool // only for who runs COM
	do      func(*api, *request) (any, error)
}

var routes = []route{
	{"GET /customers", false, (*api).customers},
	{"PUT /customers/{customer}", true, (*api).putCustomer},
	{"PUT /partners/{partner}", true, (*api).putPartner},
	{"POST /tokens", true, (*api).newToken},
	{"GET /audit", true, (*api).audit},

	{"GET /boxes", false, (*api).boxes},
	{"GET /boxes/{box}", false, (*api).show},
	{"PUT /boxes/{box}", false, (*api).preregister},
	{"GET /boxes/{box}/alarms", false, (*api).alarms},
	{"POST /boxes/{box}/approve", false, (*api).approve},
	{"POST /boxes/{box}/revoke", false, (*api).revoke},
	{"PUT /boxes/{box}/subscriptions/{feature}", true, (*api).subscribe},
	{"POST /boxes/{box}/call", false, (*api).call},
	{"POST /boxes/{box}/goaway", true, (*api).goAway},

	{"GET /faults", true, (*api).faults},
	{"PUT /faults", true, (*api).setFaults},
	{"GET /clock", true, (*api).clock},
	{"POST /clock", true, (*api).advanceClock},
}

// New makes the handler of an API.
func New(options Options) http.Handler {
	a := &api{options}
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, request *http.Request) { a.serve(w, request, r) })
	}
	mux.HandleFunc("GET /boxes/{box}/stream", a.stream)
	mux.HandleFunc("GET /root.pem", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		w.Write(a.Root)
	})
	return mux
}

// longestBody is that of a request, in octets.
const longestBody = wire.LongestMessage

// errForbidden and errToken are for who has no right.
var (
	errForbidden = errors.New("this is for who runs COM")
	errToken     = errors.New("the token is not valid")
)

// serve answers one call.
func (a *api) serve(w http.ResponseWriter, r *http.Request, route route) {
	r.Body = http.MaxBytesReader(w, r.Body, longestBody)
	request, err := a.admit(r, route.admin)
	var answer any
	if err == nil {
		answer, err = route.do(a, request)
	}
	if r.Method != http.MethodGet || err != nil {
		a.note(request, err)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

// admit says who calls, and for which box. The request is never nil.
func (a *api) admit(r *http.Request, admin bool) (*request, error) {
	request := &request{Request: r}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return request, errToken
	}
	var err error
	if request.token, err = a.Store.Token(hash(token)); errors.Is(err, store.ErrNotFound) {
		return request, errToken
	} else if err != nil {
		return request, err
	}
	if admin && request.token.Partner != "" {
		return request, errForbidden
	}
	serial := r.PathValue("box")
	if serial == "" {
		return request, nil
	}
	request.box, err = a.Store.Box(serial)
	switch {
	case errors.Is(err, store.ErrNotFound) && r.Method == http.MethodPut && r.PathValue("feature") == "":
		request.box.Serial = serial // is pre-registered
		return request, nil
	case err != nil:
		return request, err
	}
	return request, a.mine(request.token, request.box.Customer)
}

// mine says whether a customer is one of the operator's. Others are as if they
// were not there.
func (a *api) mine(token store.Token, customer string) error {
	if token.Partner == "" {
		return nil
	}
	c, err := a.Store.Customer(customer)
	if err == nil && c.Partner != token.Partner {
		err = fmt.Errorf("customer %s: %w", customer, store.ErrNotFound)
	}
	return err
}

// note writes a call into the audit trail.
func (a *api) note(r *request, err error) {
	result := "ok"
	if err != nil {
		result = err.Error()
	}
	entry := store.Audit{
		Time: a.Now(), Who: cmp.Or(r.token.Name, "nobody"), Partner: r.token.Partner, From: r.RemoteAddr,
		What: strings.TrimSpace(r.Method + " " + r.URL.Path + " " + r.actor), Result: result,
	}
	if err := a.Store.AddAudit(entry); err != nil {
		a.Log.Print(err)
	}
}

// problem is the body of an answer that says why not.
type problem struct {
	Code    int    `json:"code"` // of wire or JSON-RPC, when the box refuses; otherwise that of HTTP
	Message string `json:"message"`
}

// writeError answers with a problem. What the box has refused is 502.
func writeError(w http.ResponseWriter, err error) {
	status, code := http.StatusBadRequest, 0
	var refusal *bus.Error
	switch {
	case errors.As(err, &refusal):
		status, code, err = http.StatusBadGateway, refusal.Code, errors.New(refusal.Message)
	case errors.Is(err, store.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, errToken):
		status = http.StatusUnauthorized
	case errors.Is(err, errForbidden):
		status = http.StatusForbidden
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(problem{cmp.Or(code, status), err.Error()})
}

// hash is how tokens are stored.
func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// NewToken makes a token for an operator of a partner; without one, for who runs COM.
func NewToken(s store.Store, name, partner string) (string, error) {
	if name == "" {
		return "", errors.New("an operator has a name")
	}
	token := rand.Text()
	return token, s.PutToken(hash(token), store.Token{Name: name, Partner: partner})
}
