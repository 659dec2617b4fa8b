package api

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway/qemu/lab/comd/gateway"
	"causeway/qemu/lab/comd/store"
)

// myCustomers are those that an operator sees.
func (a *api) myCustomers(token store.Token) ([]store.Customer, error) {
	list, err := a.Store.Customers()
	return slices.DeleteFunc(list, func(c store.Customer) bool { return token.Partner != "" && c.Partner != token.Partner }), err
}

func (a *api) customers(r *request) (any, error) { return a.myCustomers(r.token) }

func (a *api) putCustomer(r *request) (any, error) {
	var body struct {
		Partner string `json:"partner"`
	}
	if err := r.readBody(&body); err != nil {
		return nil, err
	}
	if err := a.partner(body.Partner); err != nil {
		return nil, err
	}
	return nil, a.Store.PutCustomer(store.Customer{ID: r.PathValue("customer"), Partner: body.Partner})
}

// partner says whether there is one of that name.
func (a *api) partner(name string) error {
	list, err := a.Store.Partners()
	if err == nil && !slices.Contains(list, store.Partner{Name: name}) {
		err = fmt.Errorf("partner %q: %w", name, store.ErrNotFound)
	}
	return err
}

func (a *api) putPartner(r *request) (any, error) {
	return nil, a.Store.PutPartner(store.Partner{Name: r.PathValue("partner")})
}

func (a *api) newToken(r *request) (any, error) {
	var body struct {
		Name    string `json:"name"`
		Partner string `json:"partner"` // empty: for who runs COM
	}
	if err := r.readBody(&body); err != nil {
		return nil, err
	}
	if body.Partner != "" {
		if err := a.partner(body.Partner); err != nil {
			return nil, err
		}
	}
	token, err := NewToken(a.Store, body.Name, body.Partner)
	return map[string]string{"token": token}, err
}

func (a *api) audit(r *request) (any, error) {
	n, err := most(r, store.MostAudit)
	if err != nil {
		return nil, err
	}
	return a.Store.AuditTrail(n)
}

func (a *api) faults(*request) (any, error) { return a.Options.Faults.Faults(), nil }

func (a *api) setFaults(r *request) (any, error) {
	var list []gateway.Fault
	if err := r.readBody(&list); err != nil {
		return nil, err
	}
	return nil, a.Options.Faults.SetFaults(list...)
}

// farthest is how far the clock is set at once.
const farthest = 50 * 365 * 24 * time.Hour

func (a *api) clock(*request) (any, error) { return map[string]time.Time{"now": a.Now()}, nil }

func (a *api) advanceClock(r *request) (any, error) {
	var body struct {
		Advance int64 `json:"advance"` // seconds
	}
	if err := r.readBody(&body); err != nil {
		return nil, err
	}
	if limit := int64(farthest / time.Second); body.Advance > limit || body.Advance < -limit {
		return nil, errors.New("want at most 50 years")
	}
	if err := a.AdvanceClock(r.Context(), time.Duration(body.Advance)*time.Second); err != nil {
		return nil, err
	}
	return a.clock(r)
}
