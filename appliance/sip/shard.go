package sip

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"sync"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// shardsMost is the most shards that a branch has room for.
const shardsMost = 16

// shardsOf gives the number of shards where so many threads run at a time: a
// power of two of which two of them rarely want the same lock. More would only
// be more memory to fetch: after each pause the caches are cold.
func shardsOf(threads int) int {
	return min(1<<bits.Len(uint(2*threads-1)), shardsMost)
}

// shard holds everything known about the calls whose Call-ID hashes to it.
// Whoever handles one of their messages or timers holds mu.
type shard struct {
	index   uint32 // of it among the shards
	mu      sync.Mutex
	servers map[uint64]*serverTransaction
	clients []*clientTransaction // by slot; nil where free
	slots   []uint32             // not in use
	calls   map[model.CallKey]*call
	memory  int // octets that all of these may take
	targets int // of servers, beside the first of each
	refused refusals
	wheel   wheel
	buffers buffers
	counted [counterCount]int64
	history history
	// adjacencies are the calls of each since the start, by its name: they
	// outlive a commit that takes it away. An operator gives the names, so
	// there are few.
	adjacencies map[string]*model.AdjacencyTraffic
	// Transactions that are over, to be used again: they come and go with
	// every message, and would be most of the garbage.
	spareServers []*serverTransaction
	spareClients []*clientTransaction
	// events are call events on their way to the record keeper; spare is the
	// batch that CollectEvents gave out last.
	events, spare EventBatch
	_             [64]byte // keeps neighbours off this shard's cache lines
}

func (s *shard) init(index uint32, memory int) {
	s.index, s.memory = index, memory
	s.buffers.spareMost = memory / buffersPart
	s.servers = make(map[uint64]*serverTransaction)
	s.calls = make(map[model.CallKey]*call)
	s.adjacencies = make(map[string]*model.AdjacencyTraffic)
}

// unlock ends what a message or an answer of DNS has led to. A thread will see
// to the timers that are armed.
func (s *shard) unlock(p *Proxy) {
	armed := s.wheel.armed > 0
	s.mu.Unlock()
	if armed {
		p.timersArmed.ring()
	}
}

// newServer makes a server transaction and puts it in the shard.
func (s *shard) newServer(key uint64, invite bool, back flow) *serverTransaction {
	var t *serverTransaction
	if n := len(s.spareServers); n > 0 {
		t, s.spareServers = s.spareServers[n-1], s.spareServers[:n-1]
	} else {
		t = new(serverTransaction)
		t.owner = t
	}
	t.key, t.invite, t.back = key, invite, back
	s.servers[key] = t
	return t
}

// dropServer forgets t. Its branches live on as long as their own timers say.
func (s *shard) dropServer(t *serverTransaction) {
	s.wheel.disarm(&t.timer)
	s.buffers.put(&t.response)
	s.release(t)
	delete(s.servers, t.key)
	s.targets -= t.further
	for branch := t.branches; branch != nil; {
		next := branch.sibling
		branch.server, branch.sibling = nil, nil
		branch = next
	}
	*t = serverTransaction{timer: timer{owner: t}, life: t.life + 1, targets: t.targets[:0]}
	if len(s.spareServers)*serverOctets < s.memory/sparesPart {
		s.spareServers = append(s.spareServers, t)
	}
}

// release gives up what only further branches of t would need.
func (s *shard) release(t *serverTransaction) {
	s.buffers.put(&t.request)
	s.buffers.put(&t.best)
	s.buffers.put(&t.challenges)
	t.chosen = nil
	clear(t.targets)
	t.targets = t.targets[:0]
	t.tried = nil
}

// newClient makes a branch of server and gives it a slot, which its branch
// parameter will name.
func (s *shard) newClient(server *serverTransaction, to flow) *clientTransaction {
	var t *clientTransaction
	if n := len(s.spareClients); n > 0 {
		t, s.spareClients = s.spareClients[n-1], s.spareClients[:n-1]
	} else {
		t = new(clientTransaction)
		t.owner = t
	}
	t.invite, t.to = server.invite, to
	t.server, t.sibling = server, server.branches
	server.branches = t
	if n := len(s.slots); n > 0 {
		t.slot, s.slots = s.slots[n-1], s.slots[:n-1]
		s.clients[t.slot] = t
	} else {
		t.slot = uint32(len(s.clients))
		s.clients = append(s.clients, t)
	}
	return t
}

func (s *shard) dropClient(t *clientTransaction) {
	s.wheel.disarm(&t.timer)
	s.buffers.put(&t.request)
	t.leave()
	s.clients[t.slot] = nil
	s.slots = append(s.slots, t.slot)
	if t.server != nil {
		for at := &t.server.branches; *at != nil; at = &(*at).sibling {
			if *at == t {
				*at = t.sibling
				break
			}
		}
	}
	*t = clientTransaction{timer: timer{owner: t}}
	if len(s.spareClients)*clientOctets < s.memory/sparesPart {
		s.spareClients = append(s.spareClients, t)
	}
}

// buffers keeps the messages that transactions may have to send again, in a
// few sizes so that the many short answers do not take the room of INVITEs.
type buffers struct {
	free      [len(bufferSizes)][][]byte
	spareMost int // octets of the free buffers of one size
	held      int // octets of those in use
}

var bufferSizes = [...]int{512, 1024, 2048, 4096}

// keep replaces *held by a copy of payload.
func (b *buffers) keep(held *[]byte, payload []byte) {
	if cap(*held) < len(payload) || cap(*held) > 4*len(payload) {
		b.put(held)
		b.hold(held, b.get(len(payload)))
	}
	*held = append((*held)[:0], payload...)
}

// hold replaces *held by buffer, which it may have grown into.
func (b *buffers) hold(held *[]byte, buffer []byte) {
	b.held += cap(buffer) - cap(*held)
	*held = buffer
}

// get gives an empty buffer. It counts from when it is held.
func (b *buffers) get(size int) []byte {
	for i, class := range bufferSizes {
		if size > class {
			continue
		}
		if n := len(b.free[i]); n > 0 {
			buffer := b.free[i][n-1]
			b.free[i] = b.free[i][:n-1]
			return buffer
		}
		return make([]byte, 0, class)
	}
	return make([]byte, 0, size)
}

// put takes *held back and leaves nil.
func (b *buffers) put(held *[]byte) {
	buffer := *held
	b.hold(held, nil)
	for i, class := range bufferSizes {
		if cap(buffer) == class && len(b.free[i])*class < b.spareMost {
			b.free[i] = append(b.free[i], buffer[:0])
			return
		}
	}
}

// refusals remembers the INVITEs that were refused without a transaction, so
// that their repetitions get the same answer and are not counted as calls.
type refusals struct {
	ring  [refusalsKept]refused
	index map[uint64]int // of those in the ring
	next  int
}

type refused struct {
	key   uint64
	until time.Duration
	hop.Refusal
}

// refusalsKept is 32 s of 256 refusals a second over four shards.
const refusalsKept = 2048

// recall gives the refusal of a request, or nil.
func (r *refusals) recall(key uint64, now time.Duration) *hop.Refusal {
	if i, found := r.index[key]; found && r.ring[i].until > now {
		return &r.ring[i].Refusal
	}
	return nil
}

func (r *refusals) note(key uint64, until time.Duration, refusal hop.Refusal) {
	if r.index == nil {
		r.index = make(map[uint64]int, refusalsKept)
	}
	if old := r.ring[r.next].key; r.index[old] == r.next { // else it was noted again
		delete(r.index, old)
	}
	r.ring[r.next] = refused{key, until, refusal}
	r.index[key] = r.next
	r.next = (r.next + 1) % refusalsKept
}

// branchCookie starts every branch of RFC 3261 (§8.1.1.7).
const branchCookie = "z9hG4bK"

// A branch of ours is the cookie, a letter that says its kind, and 24 hex
// digits: shard, slot and nonce of the client transaction, or a hash for a
// request forwarded without one; then the loop hash (RFC 5393 §4.2).
const (
	branchOfTransaction = 'c'
	branchStateless     = 's'
	branchLoopHash      = len(branchCookie) + 1 + 16 // where it begins
	branchLength        = branchLoopHash + 8

	slotBits = 28 // of the upper 32; the others are the shard
)

func appendBranch(b []byte, kind byte, id uint64, loop uint32) []byte {
	var raw [12]byte
	binary.BigEndian.PutUint64(raw[:], id)
	binary.BigEndian.PutUint32(raw[8:], loop)
	return hex.AppendEncode(append(b, kind), raw[:])
}

// id is what stands in the branch of a client transaction.
func (s *shard) id(t *clientTransaction) uint64 {
	return uint64(s.index)<<(slotBits+32) | uint64(t.slot)<<32 | uint64(t.nonce)
}

// branchID reads the id of a branch; false when it names no client transaction.
func branchID(branch []byte) (id uint64, ok bool) {
	if len(branch) < branchLoopHash || string(branch[:len(branchCookie)]) != branchCookie || branch[len(branchCookie)] != branchOfTransaction {
		return 0, false
	}
	var raw [8]byte
	if _, err := hex.Decode(raw[:], branch[len(branchCookie)+1:branchLoopHash]); err != nil {
		return 0, false
	}
	return binary.BigEndian.Uint64(raw[:]), true
}

// client finds the client transaction that a topmost branch names, or nil:
// not ours, from an earlier life of the process, or over.
func (s *shard) client(branch []byte) *clientTransaction {
	id, ok := branchID(branch)
	if !ok || len(branch) != branchLength {
		return nil
	}
	return s.clientOf(id)
}

func (s *shard) clientOf(id uint64) *clientTransaction {
	slot := uint32(id>>32) & (1<<slotBits - 1)
	if uint32(id>>(slotBits+32)) != s.index || int(slot) >= len(s.clients) || s.clients[slot] == nil || s.clients[slot].nonce != uint32(id) {
		return nil
	}
	return s.clients[slot]
}
