package sip

import (
	"encoding/hex"
	"sync"

	"causeway/appliance/model"
)

// shardCount is a power of two well above the number of reader threads, so
// that two of them rarely want the same lock.
const shardCount = 32

// shard holds everything known about the calls whose Call-ID hashes to it.
// Whoever handles one of their messages or timers holds mu.
type shard struct {
	mu      sync.Mutex
	servers map[uint64]*serverTransaction
	clients []*clientTransaction // by slot; nil where free
	free    []uint32             // slots not in use
	calls   map[model.CallKey]*call
	wheel   wheel
	buffers buffers
	counted [counterCount]int64
	// events are call events on their way to the record keeper; spare is the
	// batch that CollectEvents gave out last.
	events, spare EventBatch
	_             [64]byte // keeps neighbours off this shard's cache lines
}

func (s *shard) init() {
	s.servers = make(map[uint64]*serverTransaction)
	s.calls = make(map[model.CallKey]*call)
	s.wheel.init()
}

// addClient gives t a slot, which its branch will name.
func (s *shard) addClient(t *clientTransaction) {
	if n := len(s.free); n > 0 {
		t.slot = s.free[n-1]
		s.free = s.free[:n-1]
		s.clients[t.slot] = t
		return
	}
	t.slot = uint32(len(s.clients))
	s.clients = append(s.clients, t)
}

func (s *shard) dropClient(t *clientTransaction) {
	s.wheel.disarm(&t.timer)
	s.buffers.put(&t.request)
	s.clients[t.slot] = nil
	s.free = append(s.free, t.slot)
	if t.server != nil {
		t.server.client = nil
		t.server = nil
	}
}

func (s *shard) dropServer(t *serverTransaction) {
	s.wheel.disarm(&t.timer)
	s.buffers.put(&t.response)
	delete(s.servers, t.key)
	if t.client != nil {
		t.client.server = nil
		t.client = nil
	}
}

// buffers keeps the messages that transactions may have to send again, in a
// few sizes so that the many short answers do not take the room of INVITEs.
type buffers struct {
	free [len(bufferSizes)][][]byte
}

var bufferSizes = [...]int{512, 1024, 2048, 4096}

// buffersKept bounds the free list of one size.
const buffersKept = 256

// keep replaces *held by a copy of payload.
func (b *buffers) keep(held *[]byte, payload []byte) {
	if cap(*held) < len(payload) || cap(*held) > 4*len(payload) {
		b.put(held)
		*held = b.get(len(payload))
	}
	*held = append((*held)[:0], payload...)
}

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
	*held = nil
	for i, class := range bufferSizes {
		if cap(buffer) == class && len(b.free[i]) < buffersKept {
			b.free[i] = append(b.free[i], buffer[:0])
			return
		}
	}
}

// branchCookie starts every branch of RFC 3261 (§8.1.1.7).
const branchCookie = "z9hG4bK"

// transactionsMost bounds the server transactions of a shard: all of them then
// take some 100 MB, which is 2,000 calls a second. Beyond it new requests
// outside dialogs get 503, and refusals leave no transaction behind.
const transactionsMost = 4096

// A branch of ours is the cookie, a letter that says its kind, and 16 hex
// digits: slot and nonce of the client transaction, or a hash for a request
// forwarded without one.
const (
	branchOfTransaction = 'c'
	branchStateless     = 's'
	branchLength        = len(branchCookie) + 1 + 16
)

func appendBranchID(b []byte, kind byte, id uint64) []byte {
	raw := [8]byte{byte(id >> 56), byte(id >> 48), byte(id >> 40), byte(id >> 32), byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}
	return hex.AppendEncode(append(b, kind), raw[:])
}

// client finds the client transaction that a response's topmost branch names,
// or nil: not ours, from an earlier life of the process, or over.
func (s *shard) client(branch []byte) *clientTransaction {
	if len(branch) != branchLength || string(branch[:len(branchCookie)]) != branchCookie || branch[len(branchCookie)] != branchOfTransaction {
		return nil
	}
	var raw [8]byte
	if _, err := hex.Decode(raw[:], branch[len(branchCookie)+1:]); err != nil {
		return nil
	}
	slot := uint32(raw[0])<<24 | uint32(raw[1])<<16 | uint32(raw[2])<<8 | uint32(raw[3])
	nonce := uint32(raw[4])<<24 | uint32(raw[5])<<16 | uint32(raw[6])<<8 | uint32(raw[7])
	if int(slot) >= len(s.clients) || s.clients[slot] == nil || s.clients[slot].nonce != nonce {
		return nil
	}
	return s.clients[slot]
}
