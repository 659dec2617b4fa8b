package update

import (
	"context"
	"errors"

	"causeway/appliance/model"
)

// errNothingStaged refuses to activate nothing.
var errNothingStaged = errors.New("no bundle is staged: upgrade stage brings one")

// nothing is the answer of a method that has none.
type nothing struct{}

// order puts the staged bundle on trial.
func (u *Update) order(ctx context.Context, o Order) (nothing, error) {
	staged := u.shelf.staged()
	if staged == nil {
		return nothing{}, errNothingStaged
	}
	return nothing{}, u.activate(ctx, model.Activation{Bundle: staged.Path(), Operator: o.Operator, Confirm: overCOM(o.Operator)})
}

// rollback runs the other slot as it is; on trial it ends that.
func (u *Update) rollback(ctx context.Context, o Order) (nothing, error) {
	f, err := u.ask(ctx)
	if err != nil {
		return nothing{}, err
	}
	if f.Trial != nil {
		return nothing{}, u.fallBack(ctx, o.Operator.String()+" gave up the trial")
	}
	return nothing{}, u.activate(ctx, model.Activation{Operator: o.Operator, Confirm: overCOM(o.Operator)})
}

// confirm notes that COM agrees to the image on trial. The link to COM is made
// anew at each boot, so whoever says so has reached the image itself.
func (u *Update) confirm(ctx context.Context, o Order) (nothing, error) {
	f, err := u.ask(ctx)
	switch {
	case err != nil:
		return nothing{}, err
	case f.Trial == nil:
		return nothing{}, errors.New("no firmware is on trial")
	case !f.Trial.Confirm:
		return nothing{}, errors.New("the trial was not asked for over COM: it ends by itself")
	case !overCOM(o.Operator):
		return nothing{}, errors.New("the trial was asked for over COM: it is confirmed over COM")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.confirmed = true
	u.options.Log.Warn("the image on trial is confirmed", "version", f.Trial.Version, "by", o.Operator.String())
	return nothing{}, nil
}

func (u *Update) waitsForCOM(t model.Trial) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return t.Confirm && !u.confirmed
}
