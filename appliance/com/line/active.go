package line

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Test is the answer of control.com.line-test: the line both ways, as it is now.
type Test struct {
	RoundTrip time.Duration `json:"round_trip"`
	Up        int64         `json:"up"`   // bit/s, to COM
	Down      int64         `json:"down"` // bit/s, from COM
}

// TestRequest asks for a Test. It loads the line, and takes testLimit at most.
type TestRequest struct {
	Operator model.Operator `json:"operator"`
}

const (
	load      = 64 << 10 // octets, each way
	testLimit = 2 * time.Minute
)

// Methods are what control serves of the line.
func (l *Line) Methods() link.Methods {
	return link.Methods{"control.com.line-test": link.ForOperators(func(ctx context.Context, _ TestRequest) (Test, error) {
		return l.Test(ctx)
	})}
}

// Test measures the line with some load: what goes one way, and what goes there
// and back. On a fast line the two say that it is at least as fast as that.
func (l *Line) Test(ctx context.Context) (t Test, err error) {
	if !l.testing.TryLock() {
		return t, errors.New("the line is being tested already")
	}
	defer l.testing.Unlock()
	l.mu.Lock()
	com := l.com
	if com != nil {
		l.busy++
	}
	l.mu.Unlock()
	if com == nil {
		return t, errors.New("there is no link to COM")
	}
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.busy--
	}()
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	if t, err = test(ctx, com, l.tripped); err != nil {
		return t, fmt.Errorf("test the line to COM: %w", err)
	}
	l.carried(min(t.Up, t.Down))
	return t, nil
}

func test(ctx context.Context, com Peer, tripped func(time.Duration)) (t Test, err error) {
	var trips []time.Duration
	for range samples {
		trip, err := com.Ping(ctx)
		if err != nil {
			return t, err
		}
		trips = append(trips, trip)
		tripped(trip)
	}
	t.RoundTrip = slices.Min(trips)
	noise := make([]byte, load*3/4)
	rand.Read(noise) // never fails (crypto/rand)
	echo := wire.Echo{Data: base64.StdEncoding.EncodeToString(noise)}
	there, err := timed(ctx, com, wire.MethodLineSink, echo, nil)
	if err != nil {
		return t, err
	}
	var back wire.Echo
	both, err := timed(ctx, com, wire.MethodLineEcho, echo, &back)
	if err != nil {
		return t, err
	}
	if back != echo {
		return t, errors.New("what came back is not what was sent")
	}
	t.Up = throughput(load, there-t.RoundTrip)
	t.Down = throughput(load, both-there)
	return t, nil
}

// timed calls COM. That it does not know a method takes as long.
func timed(ctx context.Context, com Peer, method string, params, result any) (time.Duration, error) {
	began := time.Now()
	err := com.Call(ctx, method, params, result)
	took := time.Since(began)
	var refused *gate.Error
	if result == nil && errors.As(err, &refused) && refused.Code == wire.CodeMethod {
		err = nil
	}
	return took, err
}
