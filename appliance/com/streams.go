package com

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"causeway/appliance/com/mux"
	"causeway/appliance/com/wire"
)

const (
	// headerLimit is how long COM may take to say what a stream is for.
	headerLimit = 30 * time.Second
	// mostOpen streams, with those that were refused and that COM has not closed,
	// are more than COM needs: each may hold a window of 256 KiB.
	mostOpen = 4 * wire.MostStreams
)

var errTooManyStreams = errors.New("COM opens streams without end")

// accept hands streams of COM to the gate, each in a goroutine of its own.
func (s *session) accept(ctx context.Context) error {
	var serving sync.WaitGroup
	defer serving.Wait()
	slots := make(chan struct{}, wire.MostStreams)
	for {
		stream, err := s.streams.Accept(ctx)
		if err != nil {
			s.end(fmt.Errorf("the streams of the link: %w", err))
			return nil
		}
		if s.streams.Streams() > mostOpen {
			s.end(errTooManyStreams)
			stream.Close()
			return nil
		}
		s.link.tally("streams")
		serving.Go(func() {
			defer stream.Close()
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
				s.serve(ctx, stream)
			default:
				refuse(stream, wire.CodeBusy, fmt.Sprintf("%d streams are open", wire.MostStreams))
			}
		})
	}
}

// serve has the gate serve a stream. A header that cannot be read ends the
// session, as any message does.
func (s *session) serve(ctx context.Context, stream *mux.Stream) {
	stream.SetReadDeadline(time.Now().Add(headerLimit))
	header, err := mux.ReadHeader(stream)
	stream.SetReadDeadline(time.Time{})
	switch {
	case errors.Is(err, mux.ErrUndecodable), errors.Is(err, mux.ErrTooLong):
		s.end(err)
		return
	case err != nil:
		return // it went away
	}
	s.link.options.Gate.Stream(ctx, s.is, header, stream)
}

// refuse answers a header with a refusal. What becomes of it does not matter.
func refuse(stream *mux.Stream, code int, why string) {
	mux.WriteAnswer(stream, wire.Answer{Error: &wire.StreamRefusal{Code: code, Message: why}})
}
