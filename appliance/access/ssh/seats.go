package ssh

import (
	"fmt"
	"net/netip"
	"sync"

	"causeway/appliance/entrance"
)

// What connections may take of control at once.
const (
	loggedInMost = 8
	waitingMost  = 10 // that have not logged in
	sourceMost   = 4  // of these, from one source
	channelsMost = 4  // of one connection
	// openMost bounds the channels of all connections. Of each the library takes
	// 2 MiB that nobody has read yet, and control has 77 MiB on the smallest box.
	openMost = 12
)

// seats count connections. The zero value counts none.
type seats struct {
	mu       sync.Mutex
	waiting  map[netip.Prefix]int // by source
	all      int                  // that wait
	loggedIn int
	open     int // channels
}

// seat is that of one connection.
type seat struct {
	seats    *seats
	source   netip.Prefix
	loggedIn bool
	open     int // channels
}

// take gives a seat to wait in for a login; nil: there is none.
func (s *seats) take(peer netip.AddrPort) *seat {
	source := entrance.Source(peer.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= waitingMost || s.waiting[source] >= sourceMost {
		return nil
	}
	if s.waiting == nil {
		s.waiting = map[netip.Prefix]int{}
	}
	s.all++
	s.waiting[source]++
	return &seat{seats: s, source: source}
}

// logIn reports whether there is a seat for a connection that has logged in.
func (s *seat) logIn() bool {
	s.seats.mu.Lock()
	defer s.seats.mu.Unlock()
	if s.seats.loggedIn >= loggedInMost {
		return false
	}
	s.stand()
	s.seats.loggedIn++
	s.loggedIn = true
	return true
}

// openChannel counts a channel. Its error says that there are too many.
func (s *seat) openChannel() error {
	s.seats.mu.Lock()
	defer s.seats.mu.Unlock()
	switch {
	case s.open == channelsMost:
		return fmt.Errorf("a connection has no more than %d channels", channelsMost)
	case s.seats.open == openMost:
		return fmt.Errorf("there are no more than %d channels on all connections", openMost)
	}
	s.open++
	s.seats.open++
	return nil
}

// closeChannel counts one less.
func (s *seat) closeChannel() {
	s.seats.mu.Lock()
	defer s.seats.mu.Unlock()
	s.open--
	s.seats.open--
}

// leave gives the seat back.
func (s *seat) leave() {
	s.seats.mu.Lock()
	defer s.seats.mu.Unlock()
	if s.loggedIn {
		s.seats.loggedIn--
		return
	}
	s.stand()
}

// stand gives back the seat of who waits.
func (s *seat) stand() {
	s.seats.all--
	if s.seats.waiting[s.source]--; s.seats.waiting[s.source] == 0 {
		delete(s.seats.waiting, s.source)
	}
}
