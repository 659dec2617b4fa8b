package control

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/appliance/clock"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// TestFollowing: proxy and billing get what they should have, however often
// and in whatever order they come and go.
func TestFollowing(t *testing.T) {
	b := newBox(t)
	b.keep(change.StateCommitted, text("saved"))
	stop := b.start()
	id := model.RevisionID(text("saved"))
	says := func(proxy, billing string) {
		t.Helper()
		eventually(t, "control.status", func() string {
			status, err := b.status()
			if err != nil || !strings.Contains(status.Proxy, proxy) || !strings.Contains(status.Billing, billing) {
				return fmt.Sprintf("%v, proxy %q, billing %q; want %q, %q", err, status.Proxy, status.Billing, proxy, billing)
			}
			return ""
		})
	}
	says("no such file or directory", "no such file or directory")
	proxy := b.process("proxy") // billing is not there yet
	proxy.runs(text("saved"))
	says("revision "+id, "no such file or directory")
	billing := b.process("billing")
	billing.runs(text("saved"))
	says("revision "+id, "revision "+id)

	var grant model.Grant
	eventually(t, "grant", func() string {
		proxy.set(func() { grant = proxy.grant })
		left := grant.ChangesAt - clock.BootTime() // of the evaluation
		if grant.Now != (model.Allowance{Calls: true, LimitCPS: 10}) || grant.Then.Calls || (left-90*24*time.Hour).Abs() > time.Hour || grant.Generation == 0 {
			return fmt.Sprintf("grant = %+v; want 10 calls per second for the 90 days of the evaluation", grant)
		}
		return ""
	})
	proxy.set(func() {
		if proxy.early {
			t.Error("the proxy took calls before it had a grant: it refused them")
		}
	})
	billing.set(func() {
		if billing.grants != 0 {
			t.Error("billing was given a grant")
		}
	})
	proxy.restart()
	proxy.runs(text("saved"))
	eventually(t, "the same grant", func() (missing string) {
		proxy.set(func() {
			if proxy.grant != grant {
				missing = fmt.Sprintf("grant = %+v; want %+v", proxy.grant, grant)
			}
		})
		return missing
	})
	billing.stop()
	says("revision "+id, "link.sock")
	billing.restart()
	billing.runs(text("saved"))
	proxy.set(func() { proxy.id, proxy.revision = "of somebody else", "" })
	proxy.runs(text("saved"))

	stop()
	b.keep(change.StateCommitted, text("newer")) // and control starts again
	b.start()
	proxy.runs(text("newer"))
	billing.runs(text("newer"))
	eventually(t, "a grant of the new life", func() (missing string) {
		proxy.set(func() {
			if proxy.grant.Generation <= grant.Generation {
				missing = fmt.Sprintf("generation = %d; want more than %d", proxy.grant.Generation, grant.Generation)
			}
		})
		return missing
	})
}

// TestProven: a revision is proven when the proxy stayed up with it.
func TestProven(t *testing.T) {
	b := newBox(t)
	b.pace.settle = 20 * time.Millisecond
	b.keep(change.StateCommitted, text("saved"))
	proxy := b.process("proxy")
	b.init(proxy)
	stop := b.start()
	proxy.runs(text("saved"))
	eventually(t, "a proven revision", func() string {
		if states := b.states(); states[0] != change.StateProven {
			return fmt.Sprint("revisions are ", states)
		}
		return ""
	})
	stop() // nothing is written any more
	if names, err := filepath.Glob(filepath.Join(b.options.ConfigDir, "*", "*.new-*")); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

// TestCrashLoop: a configuration with which the proxy ends again and again is
// given up; one that has served before is not, as the fault lies elsewhere.
func TestCrashLoop(t *testing.T) {
	for _, test := range []struct {
		state          change.State
		problem, after string
	}{
		{change.StateCommitted, "revision 1 of alice on ttyS0 was withdrawn: proxy ended 3 times with it", "builtin"},
		{change.StateProven, "revision 1 does not serve any more: proxy ended 3 times with it", "deadly"},
	} {
		b := newBox(t)
		b.keep(test.state, text("deadly"))
		proxy := b.process("proxy")
		proxy.dies = true
		b.init(proxy)
		b.start()
		eventually(t, "control.status", func() string {
			if status, err := b.status(); err != nil || problem(status) != test.problem || status.HostName != test.after {
				return fmt.Sprintf("%q, %q, %v; want %q, %s", problem(status), status.HostName, err, test.problem, test.after)
			}
			return ""
		})
		proxy.set(func() { proxy.dies = false })
		proxy.runs(text(test.after))
	}
}

// TestServesAgain: what did not serve for a while and stayed in force is no
// problem any more when it serves.
func TestServesAgain(t *testing.T) {
	for _, test := range []struct {
		name, reason string
		fail, mend   func(p *process)
	}{
		{"refused", "refused by proxy", func(p *process) { p.refuses = text("saved") }, func(p *process) { p.refuses = "" }},
		{"crashing", "proxy ended 3 times with it", func(p *process) { p.dies = true }, func(p *process) { p.dies = false }},
	} {
		b := newBox(t)
		b.pace.settle = 20 * time.Millisecond
		b.keep(change.StateProven, text("saved"))
		proxy := b.process("proxy")
		b.init(proxy)
		proxy.set(func() { test.fail(proxy) })
		b.start()
		says := func(want string) {
			t.Helper()
			eventually(t, test.name, func() string {
				if status, err := b.status(); err != nil || !strings.HasPrefix(problem(status), want) || want == "" && problem(status) != "" {
					return fmt.Sprintf("problem %q, %v; want %q", problem(status), err, want)
				}
				return ""
			})
		}
		says("revision 1 does not serve any more: " + test.reason)
		proxy.set(func() { test.mend(proxy) })
		proxy.runs(text("saved"))
		says("")
	}
}

// TestCrashLoopBeforeTheRevision: a proxy that ends before it got the
// configuration, as on a broken disk, has nothing against it.
func TestCrashLoopBeforeTheRevision(t *testing.T) {
	b := newBox(t)
	b.keep(change.StateCommitted, text("saved"))
	proxy := b.process("proxy")
	proxy.stop()
	b.init(proxy)
	b.start()
	for range 10 * mostRestarts {
		proxy.set(func() { proxy.restarts++ })
		time.Sleep(5 * time.Millisecond)
	}
	proxy.start()
	proxy.runs(text("saved"))
	if status, err := b.status(); err != nil || problem(status) != "" || status.ConfigSource != change.SourceRevision {
		t.Errorf("status = %q, %q, %v; want no problem with the saved one", problem(status), status.ConfigSource, err)
	}
}

// TestSwitchOfARestartedProcess: the process ends between prepare and switch,
// once. That is no fault of the configuration.
func TestSwitchOfARestartedProcess(t *testing.T) {
	b := newBox(t)
	b.keep(change.StateCommitted, text("saved"))
	proxy := b.process("proxy")
	proxy.dies = true
	b.start()
	eventually(t, "control.status", func() string {
		if status, err := b.status(); err != nil || status.Proxy != "nothing is prepared" {
			return fmt.Sprintf("Proxy = %q, %v", status.Proxy, err)
		}
		return ""
	})
	proxy.set(func() { proxy.dies = false })
	proxy.runs(text("saved"))
}
