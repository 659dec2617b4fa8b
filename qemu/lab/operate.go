package lab

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"causeway/appliance/certificates"
	"causeway/appliance/config/change"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Operator is who asks control in a lab.
var Operator = model.Operator{User: "lab", Origin: "test"}

// Call asks control, as an operator at its socket does.
func (c *Control) Call(ctx context.Context, method string, params, result any) error {
	return link.Call(ctx, link.Socket(filepath.Join(c.dir, "run"), "control"), "control."+method, params, result)
}

// Await asks until the answer has no complaint left. The complaint stands in the
// error when control has ended, or ctx.
func (c *Control) Await(ctx context.Context, complaint func() error) error {
	for {
		err := complaint()
		if err == nil {
			return nil
		}
		if ended := errors.Join(c.Running(), context.Cause(ctx)); ended != nil {
			return errors.Join(err, ended)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Answers waits until control answers.
func (c *Control) Answers(ctx context.Context) error {
	return c.Await(ctx, func() error { return c.Call(ctx, "history", nil, nil) })
}

// Trust has the box trust authorities, in PEM, for a purpose.
func (c *Control) Trust(ctx context.Context, purpose model.Purpose, authorities []byte) error {
	return c.Call(ctx, "certificates.trust", certificates.TrustRequest{
		Request: certificates.Request{Purpose: purpose, Operator: Operator}, Text: authorities,
	}, nil)
}

// Commit puts more lines in force and gives the revision.
func (c *Control) Commit(ctx context.Context, lines string) (revision int, err error) {
	var loaded change.Loaded
	var committed change.Committed
	err = c.Call(ctx, "configure", change.ConfigureRequest{Operator: Operator, Take: true}, nil)
	if err == nil {
		err = c.Call(ctx, "load", change.LoadRequest{Operator: Operator, Text: lines}, &loaded)
	}
	if err == nil {
		err = c.Call(ctx, "commit", change.CommitRequest{Operator: Operator}, &committed)
	}
	if err != nil {
		return 0, fmt.Errorf("commit %q: %w", lines, err)
	}
	if len(loaded.Faults)+len(committed.Faults) > 0 || committed.Revision == 0 {
		return 0, fmt.Errorf("commit %q: %+v, %+v", lines, loaded, committed)
	}
	return committed.Revision, nil
}
