package supervise

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"causeway/appliance/model"
)

// Processes is what a Supervisor drives; a Launcher is one.
type Processes interface {
	Start(Service) (pid int, err error)
	Signal(pid int, signal syscall.Signal) error // to its whole group
	Exits() <-chan Exit
	MemoryKB(service string) uint64
}

// Options say how a Supervisor behaves; all functions must return at once.
type Options struct {
	Processes Processes
	Log       func(format string, args ...any)
	// Trial reports whether the slot is not blessed yet: then a crash loop ends
	// in GiveUp.
	Trial  func() bool
	GiveUp func(reason string)
	// Crashed is told of each crash, but not of the many of a crash loop.
	Crashed func(service, exit string)
	// Random gives numbers in [0, 1); nil means math/rand.
	Random func() float64
}

// Supervisor keeps services alive. All its state belongs to the loop in Run;
// the other methods ask the loop, and so return an error when it does not turn.
type Supervisor struct {
	Options
	services []*supervised
	requests chan func()
	started  chan struct{}
}

// supervised is a service and how it fares.
type supervised struct {
	Service
	pid         int // 0 when not running
	began       time.Time
	ended       time.Time
	startAt     time.Time // zero: no start is planned
	killAt      time.Time // when the kernel ends what a SIGTERM did not; zero: never
	expected    bool      // its next end was asked for
	held        bool      // stays down until released
	shortRuns   int       // runs in a row that ended before healthyAfter
	crashes     []time.Time
	looping     bool // it is in a crash loop, and that was said
	restarts    int
	lastExit    string
	lastRestart time.Duration
}

// stopGrace is how long a process may take to end itself.
const stopGrace = 5 * time.Second

// New makes a supervisor; nothing runs before Run.
func New(services []Service, options Options) *Supervisor {
	if options.Random == nil {
		options.Random = rand.Float64
	}
	s := &Supervisor{Options: options, requests: make(chan func()), started: make(chan struct{})}
	for _, service := range services {
		s.services = append(s.services, &supervised{Service: service})
	}
	return s
}

// Started is closed when every service has been started once, or failed to.
func (s *Supervisor) Started() <-chan struct{} { return s.started }

// Run starts all services in their order and keeps them alive until ctx ends.
// It leaves them running: Stop them first.
func (s *Supervisor) Run(ctx context.Context) {
	for _, service := range s.services {
		if !service.held {
			s.start(service)
		}
	}
	close(s.started)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case exit := <-s.Processes.Exits():
			s.exited(exit)
		case request := <-s.requests:
			request()
		case <-timer.C:
		}
		timer.Reset(s.advance(time.Now()))
	}
}

// advance does what is due and gives the wait until something else is.
func (s *Supervisor) advance(now time.Time) time.Duration {
	wait := time.Hour
	for _, service := range s.services {
		if due(service.killAt, now) {
			service.killAt = time.Time{}
			s.Log("%s does not end itself, killing it", service.Name)
			s.signal(service, syscall.SIGKILL)
		}
		if due(service.startAt, now) {
			s.start(service)
		}
		for _, at := range []time.Time{service.killAt, service.startAt} {
			if !at.IsZero() {
				wait = min(wait, max(0, at.Sub(now)))
			}
		}
	}
	return wait
}

func due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

func (s *Supervisor) start(service *supervised) {
	service.startAt = time.Time{}
	pid, err := s.Processes.Start(service.Service)
	service.began = time.Now()
	if err != nil {
		s.Log("%v", err)
		service.lastExit = err.Error()
		s.plan(service, true)
		return
	}
	service.pid = pid
	if !service.ended.IsZero() {
		service.restarts++
		service.lastRestart = service.began.Sub(service.ended)
	}
}

// exited plans what follows the end of a process.
func (s *Supervisor) exited(exit Exit) {
	i := slices.IndexFunc(s.services, func(service *supervised) bool { return service.pid == exit.PID })
	if i < 0 {
		return
	}
	service := s.services[i]
	service.pid, service.killAt, service.ended = 0, time.Time{}, time.Now()
	service.lastExit = describe(exit.Status)
	expected := service.expected
	service.expected = false
	switch {
	case service.held:
	case expected:
		s.Log("%s ended (%s) as asked, starting it again", service.Name, service.lastExit)
		service.startAt = service.ended
	default:
		s.plan(service, exit.crashed())
	}
}

// plan sets when a service that failed or ended by itself starts again.
func (s *Supervisor) plan(service *supervised, crashed bool) {
	now := time.Now()
	service.ended = now
	if now.Sub(service.began) >= healthyAfter {
		service.shortRuns, service.looping = 0, false
	}
	service.shortRuns++
	delay := restartDelay(service.shortRuns, s.Random())
	service.startAt = now.Add(delay)
	if !crashed {
		s.Log("%s ended (%s), starting it again in %v", service.Name, service.lastExit, delay.Round(time.Millisecond))
		return
	}
	service.crashes = slices.DeleteFunc(service.crashes, func(at time.Time) bool { return now.Sub(at) > crashWindow })
	service.crashes = append(service.crashes, now)
	looping := len(service.crashes) > crashLimit
	switch {
	case looping && s.Trial():
		service.startAt = time.Time{}
		s.GiveUp(fmt.Sprintf("%s crashed %d times within %v in a slot on trial", service.Name, len(service.crashes), crashWindow))
		return
	case looping && !service.looping:
		s.Log("%s keeps failing (%d times within %v, last: %s): trying again ever more slowly",
			service.Name, len(service.crashes), crashWindow, service.lastExit)
	case !service.looping:
		s.Log("%s failed (%s), starting it again in %v", service.Name, service.lastExit, delay.Round(time.Millisecond))
	}
	service.looping = service.looping || looping
	if !service.looping {
		s.Crashed(service.Name, service.lastExit)
	}
}

// signal sends to a running service; a failure is only worth a line, because
// the exit or the next deadline follows in any case.
func (s *Supervisor) signal(service *supervised, signal syscall.Signal) {
	if err := s.Processes.Signal(service.pid, signal); err != nil {
		s.Log("%s: %v", service.Name, err)
	}
}

// end asks a running service to end, with force at once.
func (s *Supervisor) end(service *supervised, force bool) {
	service.startAt = time.Time{}
	if service.pid == 0 {
		return
	}
	service.expected = true
	if force {
		s.signal(service, syscall.SIGKILL)
		return
	}
	if service.killAt.IsZero() {
		service.killAt = time.Now().Add(stopGrace)
		s.signal(service, syscall.SIGTERM)
	}
}

// describe says how a process ended, in the words of os.ProcessState.
func describe(status syscall.WaitStatus) string {
	switch {
	case status.Exited():
		return fmt.Sprintf("exit status %d", status.ExitStatus())
	case status.Signaled():
		return fmt.Sprintf("signal: %v", status.Signal())
	}
	return fmt.Sprintf("wait status %#x", uint32(status))
}

// do runs f in the loop and waits for it.
func (s *Supervisor) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case s.requests <- func() { f(); close(done) }:
		<-done // f is of this package and short
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the supervision loop does not answer: %w", ctx.Err())
	}
}

// named gives the services with those names, all of them for none.
func (s *Supervisor) named(names []string) ([]*supervised, error) {
	if len(names) == 0 {
		return s.services, nil
	}
	var services []*supervised
	for _, name := range names {
		i := slices.IndexFunc(s.services, func(service *supervised) bool { return service.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no service %q", name)
		}
		services = append(services, s.services[i])
	}
	return services, nil
}

// Restart ends a service, with force by SIGKILL, and has it started again at
// once. One that waits for its next try is started now.
func (s *Supervisor) Restart(ctx context.Context, name string, force bool) error {
	services, err := s.named([]string{name})
	if err != nil {
		return err
	}
	var held bool
	err = s.do(ctx, func() {
		service := services[0]
		held = service.held
		s.end(service, force)
		if !held && service.pid == 0 {
			service.startAt = time.Now()
		}
	})
	if err == nil && held {
		err = fmt.Errorf("%s is stopped while a volume changes", name)
	}
	return err
}

// Stop ends the named services, all of them for no names, by SIGTERM and after
// stopGrace by SIGKILL. It returns when they have ended; they stay down until
// Release.
func (s *Supervisor) Stop(ctx context.Context, names ...string) error {
	services, err := s.named(names)
	if err != nil {
		return err
	}
	if err := s.do(ctx, func() {
		for _, service := range services {
			service.held = true
			s.end(service, false)
		}
	}); err != nil {
		return err
	}
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		running := false
		if err := s.do(ctx, func() {
			running = slices.ContainsFunc(services, func(service *supervised) bool { return service.pid != 0 })
		}); err != nil {
			return err
		}
		if !running {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("stop %v: %w", names, ctx.Err())
		}
	}
}

// Release starts services that Stop stopped, all of them for no names.
func (s *Supervisor) Release(ctx context.Context, names ...string) error {
	services, err := s.named(names)
	if err != nil {
		return err
	}
	return s.do(ctx, func() {
		for _, service := range services {
			if service.held && service.pid == 0 {
				service.startAt = time.Now()
			}
			service.held = false
		}
	})
}

// Alive returns nil when the loop turns and does what is due: the condition
// for feeding the watchdog.
func (s *Supervisor) Alive(ctx context.Context) error {
	const slack = 10 * time.Second // a busy machine is late, a broken loop stays late
	var overdue string
	err := s.do(ctx, func() {
		limit := time.Now().Add(-slack)
		for _, service := range s.services {
			if due(service.startAt, limit) || due(service.killAt, limit) {
				overdue = service.Name
			}
		}
	})
	if err == nil && overdue != "" {
		err = fmt.Errorf("what is due for %s is not done", overdue)
	}
	return err
}

// Status reports on all services.
func (s *Supervisor) Status(ctx context.Context) ([]model.ServiceStatus, error) {
	var all []model.ServiceStatus
	err := s.do(ctx, func() {
		for _, service := range s.services {
			status := model.ServiceStatus{
				Name:        service.Name,
				PID:         service.pid,
				Restarts:    service.restarts,
				LastExit:    service.lastExit,
				LastRestart: service.lastRestart,
			}
			if service.pid != 0 {
				status.Uptime = time.Since(service.began)
				status.MemoryKB = s.Processes.MemoryKB(service.Name)
			}
			all = append(all, status)
		}
	})
	return all, err
}
