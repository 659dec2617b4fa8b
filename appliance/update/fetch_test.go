package update

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// source is a file store, with what it was asked for.
type source struct {
	content []byte
	ranges  bool  // it knows them
	breaks  int64 // it ends there, 0: at the end
	err     error // it refuses
	asked   []int64
}

func (s *source) get(ctx context.Context, offset int64) (io.ReadCloser, int64, error) {
	s.asked = append(s.asked, offset)
	if s.err != nil {
		return nil, 0, s.err
	}
	if !s.ranges {
		offset = 0
	}
	rest := s.content[offset:]
	if s.breaks > offset {
		return io.NopCloser(io.MultiReader(bytes.NewReader(rest[:s.breaks-offset]), broken{})), offset, nil
	}
	return io.NopCloser(bytes.NewReader(rest)), offset, ctx.Err()
}

// broken is a line that breaks off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// finalError is what a store says for good.
type finalError struct{}

func (finalError) Error() string { return "the file store answers 403 Forbidden" }
func (finalError) Final() bool   { return true }

// fetches has a bundle fetched, for so long.
func (b *box) fetches(s *source, size int64, sum string, wait time.Duration) *Fetching {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.RunFetches(ctx) }()
	b.Fetch(Fetch{Name: "new.causeway", Size: size, SHA256: sum, By: admin, Get: s.get})
	time.Sleep(wait)
	synctest.Wait()
	f := b.Fetching()
	cancel()
	if err := <-ended; err != nil {
		b.t.Errorf("RunFetches = %v", err)
	}
	return f
}

func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func TestFetch(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t)
			content := bundleOf(t, manifest("v1.2.0"), releaseKey)
			half, sum := int64(len(content)/2), sumOf(content)
			s := &source{content: content, breaks: half, ranges: ranges}
			if f := b.fetches(s, int64(len(content)), sum, firstRetry/2); f == nil || f.Have != half || b.shelfNames() != sum+".part" {
				t.Fatalf("what breaks off is %+v, and %s on the shelf", f, b.shelfNames())
			}
			b.Update = New(b.options()) // the box restarted
			s.breaks, s.asked = 0, nil
			if f := b.fetches(s, int64(len(content)), sum, time.Minute); f != nil || b.shelfNames() != "new.causeway new.causeway.sha256" {
				t.Errorf("the rest is %+v, and %s on the shelf", f, b.shelfNames())
			}
			if len(s.asked) != 1 || s.asked[0] != half {
				t.Errorf("the store was asked for what begins at %d; want %d", s.asked, half)
			}
			if got := b.Status().Staged; got == nil || got.Version != "v1.2.0" || got.SHA256 != sum {
				t.Errorf("staged is %+v", got)
			}
			b.fetches(s, int64(len(content)), sum, time.Minute)
			if len(s.asked) != 1 {
				t.Error("what is staged already is fetched again")
			}
		})
	}
}

func TestFetchFails(t *testing.T) {
	good := bundleOf(t, manifest("v1.2.0"), releaseKey)
	strange := bundleOf(t, manifest("v1.2.0"), strangeKey)
	for name, test := range map[string]struct {
		source source
		sum    string
		want   string
		tries  int
	}{
		"other octets":   {source{content: bytes.Repeat([]byte("x"), len(good))}, sumOf(good), "has the SHA-256", 1},
		"another key":    {source{content: strange}, sumOf(strange), "no key that this box knows", 1},
		"larger":         {source{content: append(bytes.Clone(good), 'x')}, sumOf(good), "it has more than", 1},
		"refused":        {source{err: finalError{}}, sumOf(good), "403 Forbidden", 1},
		"out of reach":   {source{err: errors.New("network is unreachable")}, sumOf(good), "", 3}, // at 0, 10 and 30 s
		"of nobody else": {source{content: good}, sumOf(good), "", 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t)
			f := b.fetches(&test.source, int64(len(good)), test.sum, time.Minute)
			problem := ""
			if f != nil {
				problem = f.Problem
			}
			if (problem == "") != (test.want == "") || !strings.Contains(problem, test.want) || len(test.source.asked) != test.tries {
				t.Errorf("%s: %q after %d tries; want %q after %d", name, problem, len(test.source.asked), test.want, test.tries)
			}
			if strings.Contains(b.shelfNames(), ".causeway") != (name == "of nobody else") {
				t.Errorf("%s leaves %s on the shelf", name, b.shelfNames())
			}
		})
	}
}

// TestFetchDropped: what is not wanted any more ends, and what has come stays.
func TestFetchDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.RunFetches(ctx) }()
		begun, over := make(chan bool, 1), make(chan bool, 1)
		b.Fetch(Fetch{Name: "new.causeway", Size: 100, SHA256: sumOf(nil), By: admin,
			Get: func(ctx context.Context, _ int64) (io.ReadCloser, int64, error) {
				begun <- true
				<-ctx.Done()
				over <- true
				return nil, 0, ctx.Err()
			}})
		<-begun
		b.Drop()
		<-over
		synctest.Wait()
		if f := b.Fetching(); f != nil || b.Status().Staging != nil {
			t.Errorf("once it is dropped %+v is under way, and %+v", f, b.Status().Staging)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("RunFetches = %v", err)
		}
	})
}
