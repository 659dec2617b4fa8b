//go:build e2e

package e2e

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"causeway/qemu/lab"
)

// TestPagesTimeOut leaves a page open that fetches itself what is live: nobody does
// anything, and the session ends.
func TestPagesTimeOut(t *testing.T) {
	t.Parallel()
	b := newPagesBox(t, "exec-timeout 1\n")
	v := b.operator("anna", lab.Screen{})
	begin := time.Now()
	b.check(b.control.Await(b.ctx, func() error {
		text, err := v.Text(b.ctx)
		if err == nil && !strings.Contains(text, "The session has ended") {
			err = errors.New("the page does not say that the session has ended")
		}
		return err
	}))
	if took := time.Since(begin); took < 50*time.Second {
		t.Errorf("the session has ended after %v; want a minute", took)
	}
	b.audited("anna", "idle")
	for _, fault := range v.Faults() { // that is how the page learns it
		if !strings.Contains(fault, "HTTP status 401") {
			t.Error(fault)
		}
	}
	v.follows("link", "Log in again")
	v.sees("Password")
}

// TestPagesSessions has one operator end the session of another.
func TestPagesSessions(t *testing.T) {
	t.Parallel()
	b := newPagesBox(t, "")
	anna, olga := b.operator("anna", lab.Screen{}), b.operator("olga", lab.Screen{})
	anna.visits("Sessions")
	text, err := anna.Text(b.ctx)
	b.check(err)
	number := regexp.MustCompile(`(?m)^\s*(\d+)\s+olga\s`).FindStringSubmatch(text)
	if number == nil {
		t.Fatalf("the page has no session of olga:\n%s", text)
	}
	anna.follows("button", "End session "+number[1]) // and says yes when she is asked
	olga.opens("/")
	olga.sees("Password")
	b.audited("anna", "clear user session "+number[1])
	anna.opens("/")
	anna.sees("Dashboard")
}
