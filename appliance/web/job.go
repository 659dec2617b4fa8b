package web

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Limits of what a session has running.
const (
	jobsRunning  = 3                // at once
	jobsKept     = 3                // of those that have ended, what they printed
	jobPrints    = 256 << 10        // octets of one
	questionTime = 10 * time.Minute // that a question waits for
)

// job is a command of EXEC that runs longer than a request. It ends with its
// session. What it asks is answered by a form.
type job struct {
	out     printed
	cancel  context.CancelFunc
	begun   time.Time
	changed chan struct{} // holds one once it has asked something or ended

	mu       sync.Mutex
	line     string // without secrets
	question *question
	answers  chan string // to the question
	ended    time.Time   // zero: it runs
	err      error
}

// state is how a job stands.
type state struct {
	line     string
	begun    time.Time
	ended    time.Time // zero: it runs
	question *question // nil: it asks nothing
	printed  string
	err      error
}

func (j *job) state() state {
	j.mu.Lock()
	defer j.mu.Unlock()
	return state{j.line, j.begun, j.ended, j.question, j.out.String(), j.err}
}

// end is when it ended; zero: it runs.
func (j *job) end() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended
}

func (j *job) running() bool { return j.end().IsZero() }

// ask has somebody answer a question by a form.
func (j *job) ask(ctx context.Context, q question) (string, error) {
	answers := make(chan string, 1)
	j.put(&q, answers)
	defer j.put(nil, nil)
	select {
	case answer := <-answers:
		return answer, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-time.After(questionTime):
		return "", errors.New("nobody has answered")
	}
}

func (j *job) put(q *question, answers chan string) {
	j.mu.Lock()
	j.question, j.answers = q, answers
	j.mu.Unlock()
	if q != nil {
		j.change()
	}
}

func (j *job) change() {
	select {
	case j.changed <- struct{}{}:
	default:
	}
}

// answer answers the question that somebody has seen. Without one it does nothing:
// two have answered, or it is over.
func (j *job) answer(seen, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.question == nil || j.question.Text != seen {
		return
	}
	select {
	case <-j.changed: // what came of the answer is what is new
	default:
	}
	j.answers <- text
	j.question, j.answers = nil, nil
}

// settle waits until the job asks something or ends, or for a while.
func (j *job) settle(ctx context.Context, while time.Duration) {
	select {
	case <-j.changed:
	case <-ctx.Done():
	case <-time.After(while):
	}
}

// jobs are those of a session, by the page and the part that they are of.
type jobs struct {
	going sync.WaitGroup

	mu   sync.Mutex
	list map[string]*job
	over bool // the session is
}

func newJobs() *jobs { return &jobs{list: map[string]*job{}} }

func (all *jobs) of(key string) *job {
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.list[key]
}

var (
	errGone = errors.New("the session has ended")
	errRuns = errors.New("it runs already: wait, or cancel it")
	errMany = errors.New("too much of yours runs already: wait, or cancel some of it")
)

// begin starts a job where none runs. ctx is that of the session.
func (all *jobs) begin(ctx context.Context, key, line string, run func(context.Context, *job) error) (*job, error) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.over {
		return nil, errGone
	}
	if before := all.list[key]; before != nil && before.running() {
		return nil, errRuns
	}
	delete(all.list, key)
	running, ended := 0, []string{}
	for key, j := range all.list {
		if j.running() {
			running++
		} else {
			ended = append(ended, key)
		}
	}
	if running >= jobsRunning {
		return nil, errMany
	}
	if len(ended) >= jobsKept {
		delete(all.list, slices.MinFunc(ended, func(a, b string) int { return all.list[a].end().Compare(all.list[b].end()) }))
	}
	ctx, cancel := context.WithCancel(ctx)
	j := &job{out: printed{most: jobPrints}, cancel: cancel, begun: time.Now(), changed: make(chan struct{}, 1), line: line}
	all.list[key] = j
	all.going.Go(func() {
		defer cancel()
		err := run(ctx, j)
		j.mu.Lock()
		j.ended, j.err = time.Now(), err
		j.mu.Unlock()
		j.change()
	})
	return j, nil
}

// end waits for the jobs of a session that has ended.
func (all *jobs) end() {
	all.mu.Lock()
	all.over = true
	all.mu.Unlock()
	all.going.Wait()
}

// forget drops a job that has ended, and cancels one that runs.
func (all *jobs) forget(key string) {
	all.mu.Lock()
	defer all.mu.Unlock()
	j := all.list[key]
	switch {
	case j == nil:
	case j.running():
		j.cancel()
	default:
		delete(all.list, key)
	}
}
