package smoke

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"causeway/qemu/lab"
)

// Pair is a caller on LAN1 and a callee on LAN2 of SIPp's.
type Pair struct {
	Caller, Callee lab.Ladder
	Calls, Rate    int
	Hold           time.Duration
	Limit          time.Duration // 0 means what Calls, Rate and Hold make likely
	From           netip.Addr    // address of the caller; invalid: its own on LAN1
}

// Place places the calls and gives the caller's account of them. It fails
// unless both ends saw every call go as it should.
func Place(ctx context.Context, l *lab.Lab, p Pair) (lab.Statistics, error) {
	caller, callee, err := p.start(ctx, l, "", false)
	if err != nil {
		return lab.Statistics{}, err
	}
	return finish(caller, callee)
}

// start starts the callee, then the caller.
func (p Pair) start(ctx context.Context, l *lab.Lab, callID string, messages bool) (caller, callee *lab.Run, err error) {
	limit := p.Limit
	if limit == 0 {
		limit = 30*time.Second + 2*time.Duration(p.Calls/max(p.Rate, 1))*time.Second + p.Hold
	}
	from := lab.PeerLAN1
	if p.From.IsValid() {
		from = p.From
	}
	callee, err = l.LAN2.SIPp(ctx, lab.SIPp{
		Ladder: p.Callee, Local: netip.AddrPortFrom(lab.PeerLAN2, lab.CalleePort),
		Calls: p.Calls, Hold: p.Hold, Limit: limit, Messages: messages,
	})
	if err != nil {
		return nil, nil, err
	}
	caller, err = l.LAN1.SIPp(ctx, lab.SIPp{
		Ladder: p.Caller, Local: netip.AddrPortFrom(from, lab.CallerPort), Remote: lab.BoxLAN1,
		Calls: p.Calls, Rate: p.Rate, Hold: p.Hold, Limit: limit, CallID: callID,
	})
	if err != nil {
		callee.Stop()
		callee.Wait()
		return nil, nil, err
	}
	return caller, callee, nil
}

// finish waits for both ends. When the caller failed, the callee would wait
// for calls that never come.
func finish(caller, callee *lab.Run) (lab.Statistics, error) {
	statistics, callerErr := caller.Wait()
	if callerErr != nil {
		callee.Stop()
	}
	_, calleeErr := callee.Wait()
	return statistics, errors.Join(callerErr, calleeErr)
}

// Restart is what HeldThroughRestart saw.
type Restart struct {
	Calls lab.Statistics
	// Down is the time from the order to kill the proxy to its next answer.
	Down time.Duration
}

// HeldThroughRestart sets up calls and holds them all, has the proxy killed by
// kill, waits until it answers again, and only then has every caller hang up:
// each BYE must get through to the callee and its 200 back, with nothing sent
// twice.
func HeldThroughRestart(ctx context.Context, l *lab.Lab, calls, rate int, kill func(context.Context) error) (Restart, error) {
	prober, err := l.LAN1.Probe(netip.AddrPortFrom(lab.PeerLAN1, 0))
	if err != nil {
		return Restart{}, err
	}
	defer prober.Close()
	callID := fmt.Sprintf("held-%d", os.Getpid())
	pair := Pair{Caller: lab.CallerHeld, Callee: lab.Callee, Calls: calls, Rate: rate, Limit: 2 * time.Minute}
	caller, callee, err := pair.start(ctx, l, callID, true)
	if err != nil {
		return Restart{}, err
	}
	down, err := restartWhileHeld(ctx, prober, caller, callee, calls, kill)
	if err != nil {
		caller.Stop()
		callee.Stop()
	} else {
		err = hangUp(prober, callID, calls)
	}
	statistics, callsErr := finish(caller, callee)
	return Restart{Calls: statistics, Down: down}, errors.Join(err, callsErr)
}

// restartWhileHeld kills the proxy once all calls are established and waits
// until it is back. That no call ended meanwhile is checked.
func restartWhileHeld(ctx context.Context, prober *lab.Prober, caller, callee *lab.Run, calls int, kill func(context.Context) error) (time.Duration, error) {
	for callee.Count("R", "ACK ") < calls {
		select {
		case <-caller.Ended():
			return 0, errors.New("calls that were to be held ended")
		case <-callee.Ended():
			return 0, errors.New("calls that were to be held ended")
		case <-ctx.Done():
			return 0, fmt.Errorf("wait until %d calls are established: %w", calls, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
	killed := time.Now()
	if err := kill(ctx); err != nil {
		return 0, fmt.Errorf("kill the proxy: %w", err)
	}
	back, err := prober.AwaitOptions(ctx, lab.BoxLAN1)
	if err != nil {
		return 0, fmt.Errorf("the proxy after it was killed: %w", err)
	}
	if ended := callee.Count("R", "BYE "); ended != 0 {
		return 0, fmt.Errorf("%d of %d held calls ended before the proxy was back", ended, calls)
	}
	return back.Sub(killed), nil
}

// hangUp tells the callers, past the box, to end their calls.
func hangUp(prober *lab.Prober, callID string, calls int) error {
	for n := 1; n <= calls; n++ {
		info := lab.Message(fmt.Sprintf("INFO sip:caller@%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK-%[4]d\r\n"+
			"From: <sip:lab@%[2]s>\r\nTo: <sip:caller@%[1]s>\r\nCall-ID: %[3]s-%[4]d\r\nCSeq: 1 INFO\r\nContent-Length: 0\r\n\r\n",
			lab.PeerLAN1, prober.Local, callID, n))
		if err := prober.Send(info, netip.AddrPortFrom(lab.PeerLAN1, lab.CallerPort)); err != nil {
			return fmt.Errorf("tell a caller to hang up: %w", err)
		}
	}
	return nil
}
