package load

import (
	"context"
	"fmt"
	"io"
	"time"

	"causeway/qemu/lab"
)

// Soak is calls for as long as one likes.
type Soak struct {
	Program  string // the appliance
	Length   time.Duration
	Rate     int // per second
	Progress io.Writer
}

// soakRound is how long calls come without a pause; then all of them end, and
// what the proxy holds is looked at.
const soakRound = time.Minute

// Run places calls, round after round, and prints what the proxy holds after
// the first round, after the last one, and how much more it was at the worst.
func (s Soak) Run(ctx context.Context, results io.Writer) (err error) {
	w, err := open(ctx, s.Program, len(mix), "")
	if err != nil {
		return err
	}
	defer func() {
		if closing := w.close(); err == nil {
			err = closing
		}
	}()
	var (
		first, last             lab.Resources
		calls, failed, repeated int
		rounds                  int
		began                   = time.Now()
	)
	for round := min(soakRound, s.Length/2); rounds < 2 || time.Since(began) < s.Length; rounds++ {
		of := max(1, int(round.Seconds()*float64(s.Rate)))
		p, err := place(ctx, w.where, mixed(of, s.Rate, time.Second))
		if p.tolerate(of, err) != nil {
			return fmt.Errorf("after %v: %w", time.Since(began).Round(time.Second), err)
		}
		calls, failed, repeated = calls+of, failed+p.failed, repeated+p.repeated
		settling, cancel := context.WithTimeout(ctx, settleTime)
		last, err = w.settle(settling)
		cancel()
		if err != nil {
			return err
		}
		if rounds == 0 {
			first = last
		}
		fmt.Fprintf(s.Progress, "after %v and %d calls: %+v\n", time.Since(began).Round(time.Second), calls, last)
	}
	text, _ := last.Since(first)
	fmt.Fprintf(results, "seconds=%.0f\ncalls=%d\ncalls_failed=%d\nretransmissions=%d\n%s", time.Since(began).Seconds(), calls, failed, repeated, text)
	return nil
}
