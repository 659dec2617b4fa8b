package change

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"causeway/appliance/link"
)

// Peer is another process that runs with the configuration. While it is
// locked, nobody else offers it a revision.
type Peer interface {
	sync.Locker
	Name() string
	// Prepare has it check a revision and get ready; Switch has it run with what it
	// prepared. An error for which Refusal is true is what it has against the
	// revision; any other says that it could not be asked.
	Prepare(ctx context.Context, f InForce) error
	Switch(ctx context.Context) error
}

// ask has all peers do something at once. ready are those that did it, notes
// say who could not be asked; the error is what others have against it.
func ask(peers []Peer, against string, do func(Peer) error) (ready []Peer, notes []string, err error) {
	answers := make([]error, len(peers))
	var all sync.WaitGroup
	for i, peer := range peers {
		all.Go(func() { answers[i] = do(peer) })
	}
	all.Wait()
	var refusals []error
	for i, peer := range peers {
		switch answer := answers[i]; {
		case answer == nil:
			ready = append(ready, peer)
		case Refusal(answer):
			refusals = append(refusals, fmt.Errorf("%s %s: %w", peer.Name(), against, answer))
		default:
			notes = append(notes, fmt.Sprintf("%s gets the configuration later: %v", peer.Name(), answer))
		}
	}
	return ready, notes, errors.Join(refusals...)
}

// Refusal reports whether an error of a process is what it has against a
// revision, and not that it is down, too slow or out of room.
func Refusal(err error) bool {
	var remote *link.RemoteError
	return errors.As(err, &remote) && !remote.Passing
}
