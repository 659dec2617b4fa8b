package billing

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/billing/journal"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// A disk that hangs does not take those along who ask.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &process{tasks: make(chan func()), ended: make(chan struct{})}
		hangs := make(chan struct{})
		go func() { // run
			p.at("a request")
			(<-p.tasks)()
		}()
		for range 2 { // the first is begun, the second is not
			err := p.do(func() { <-hangs })
			if want := "billing has been at work on a request for "; err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("do = %v; want %s…", err, want)
			}
		}
		time.Sleep(stall)
		if alarms := p.status().Alarms; len(alarms) != 1 || alarms[0].Name != alarm.BillingCacheFault {
			t.Errorf("alarms %+v; want %s", alarms, alarm.BillingCacheFault)
		}
		close(hangs)
	})
}

// inHand is a process whose run is the test.
func inHand(t *testing.T, o Options, text string) *process {
	t.Helper()
	p := &process{options: o, box: journal.BoxOf(""), tasks: make(chan func()), ended: make(chan struct{})}
	if err := p.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end() })
	c, err := o.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	next, err := p.newPlan(c)
	if err != nil {
		t.Fatal(err)
	}
	p.use(next)
	return p
}

// While the proxy is asked which long calls are over, nothing else waits; and
// what it says does not hold for a call whose end is in the journal.
func TestLongCheckAsksAside(t *testing.T) {
	o := testOptions(t.TempDir(), newKeeper(t).address)
	w := openJournal(t, o)
	p := inHand(t, o, billed)
	event := model.CallEvent{Time: time.Now().Add(-25 * time.Hour)}
	commit := func(key uint64, kinds ...model.CallEventKind) {
		batch := &journal.Batch{}
		binary.BigEndian.PutUint64(event.Key[:], key)
		for _, event.Kind = range kinds {
			batch.Append(&event)
		}
		if err := w.Commit(batch); err != nil {
			t.Fatal(err)
		}
	}
	commit(7, model.CallOffered, model.CallRouted, model.CallAnswered)
	commit(8, model.CallOffered, model.CallRouted, model.CallAnswered)
	if err := p.catchUp(); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answers := make(chan struct{})
	listener, err := link.Listen(link.Socket(o.Run, "proxy"))
	if err != nil {
		t.Fatal(err)
	}
	go link.ServeListener(ctx, listener, link.Methods{"proxy.gone": func(_ context.Context, asked keys) (keys, error) {
		<-answers
		return asked, nil
	}})
	p.checkLong(ctx, time.Now(), p.terms.Bills)
	commit(8, model.CallDisconnect, model.CallEnded) // not read yet
	close(answers)                                   // it has not been waited for
	select {
	case task := <-p.tasks:
		task()
	case <-time.After(time.Minute):
		t.Fatal("nothing comes of the answer within a minute")
	}
	if calls, _ := p.manager.Open(); calls != 0 || p.counters[countFoundDead] != 1 {
		t.Errorf("%d calls are open, counters %v; want one of the two found dead", calls, fmt.Sprint(p.counters))
	}
	p.asking.Wait()
}
