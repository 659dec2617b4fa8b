package control

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// taken is what a reporter was told last, by source.
type taken struct {
	mu      sync.Mutex
	sources map[string][]string
}

func (r *taken) Report(source string, active []model.Condition) {
	list := []string{}
	for _, c := range active {
		list = append(list, c.Name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources[source] = list
}

func (r *taken) Measure(source string, readings []alarm.Reading) {
	list := []string{}
	for _, m := range readings {
		list = append(list, fmt.Sprintf("%s %s %.0f", m.Name, m.Object, m.Percent))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources[source] = list
}

// TestWatch runs the monitor through the death of init.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var initErr error
		dir := t.TempDir()
		put(t, dir, map[string]string{"stat": "cpu 0 0 0 100 0 0 0 0\n", "crash/20260102T000000.000Z-proxy.txt": ""})
		to := &taken{sources: map[string][]string{}}
		disk := make(chan struct{}, 1)
		disk <- struct{}{}
		w := &watch{watched{
			health: func(context.Context) (model.SystemHealth, error) {
				mu.Lock()
				defer mu.Unlock()
				if initErr != nil {
					return model.SystemHealth{}, initErr
				}
				return well().health.value, nil
			},
			proxy: func(ctx context.Context) (model.ProxyStatus, error) {
				return model.ProxyStatus{Alarms: []model.Condition{{Name: alarm.BillingJournalFull}}}, nil
			},
			billing: func(ctx context.Context) (model.BillingStatus, error) {
				<-ctx.Done() // it hangs
				return model.BillingStatus{}, ctx.Err()
			},
			status: func() model.ControlStatus { return well().status },
			config: func() *model.Config { return well().config },
			adjust: func(x *unix.Timex) (int, error) { x.Status = unix.STA_UNSYNC; return unix.TIME_ERROR, nil },
			kernel: kernelFiles{dir, dir},
			crashes: func() ([]string, error) {
				<-disk // unless it hangs
				return crashFiles(filepath.Join(dir, "crash"))
			},
		}, to, nil, nil}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.run(ctx) }()
		expect := func(when string, want map[string][]string) {
			t.Helper()
			synctest.Wait()
			to.mu.Lock()
			defer to.mu.Unlock()
			if diff := cmp.Diff(want, to.sources); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		const space1, space2, ram = "volume-space bootflash 10", "volume-space harddisk 25", "memory  50"

		time.Sleep(watchLimit)
		expect("first look", map[string][]string{
			"watch":    {alarm.ServiceSilent, alarm.CrashFile, alarm.ClockUnsynchronised},
			"measured": {ram, space1, space2},
			"proxy":    {alarm.BillingJournalFull},
		})
		put(t, dir, map[string]string{"stat": "cpu 95 0 0 105 0 0 0 0\n"})
		mu.Lock()
		initErr = errors.New("gone")
		mu.Unlock()
		time.Sleep(watchPeriod) // in which the disk hangs, too
		expect("init is gone: the volumes are as they were", map[string][]string{
			"watch":    {alarm.ServiceSilent, alarm.ServiceSilent, alarm.CrashFile, alarm.ClockUnsynchronised},
			"measured": {"cpu  95", ram, space1, space2},
			"proxy":    {alarm.BillingJournalFull},
		})
		time.Sleep(watchPeriod)
		put(t, dir, map[string]string{"crash/20260103T000000.000Z-billing.txt": ""})
		close(disk)
		time.Sleep(2 * watchPeriod)
		expect("the disk is back", map[string][]string{
			"watch":    {alarm.ServiceSilent, alarm.ServiceSilent, alarm.CrashFile, alarm.CrashFile, alarm.ClockUnsynchronised},
			"measured": {ram, space1, space2},
			"proxy":    {alarm.BillingJournalFull},
		})
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run = %v; want nil", err)
		}
	})
}

// TestWatchAsksTheBox: the monitor of a box asks its processes.
func TestWatchAsksTheBox(t *testing.T) {
	b := newBox(t)
	b.init(b.process("proxy"))
	c := build(b.options, b.pace)
	if err := c.configuration.Start(); err != nil {
		t.Fatal(err)
	}
	s := newWatch(c, t.TempDir(), nil).look(t.Context())
	if s.health.err != nil || len(s.health.value.Services) != 2 || s.proxy.err != nil {
		t.Errorf("init says %+v, the proxy %+v; want what the box has", s.health, s.proxy)
	}
	if s.billing.err == nil {
		t.Error("billing answers, and is not there")
	}
	if s.config == nil || s.status.HostName != s.config.HostName || s.cpu.total == 0 {
		t.Errorf("status %+v, configuration %+v, processor time %+v; want those of the box", s.status, s.config, s.cpu)
	}
}
