package sip

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

// testMemory is so little that a test fills it.
const testMemory = 1 << 20

// newTightBench is a proxy that may take testMemory.
func newTightBench(t *testing.T) *bench {
	b := newBench(t)
	for i := range b.p.shards {
		b.p.shards[i].init(uint32(i), testMemory/len(b.p.shards))
	}
	return b
}

// another is text, a request of call-1, as one of a call of its own.
func another(text string, i int) string {
	return strings.NewReplacer("branch=z9hG4bK", fmt.Sprintf("branch=z9hG4bK%d-", i), "call-1@", fmt.Sprintf("call-1-%d@", i)).Replace(text)
}

// taken sums up what the shards take.
func (b *bench) taken() (octets int) {
	for i := range b.p.shards {
		octets += b.p.shards[i].taken()
	}
	return octets
}

// A flood of requests that nobody answers takes bounded memory, whatever they
// are; one that is over leaves nothing.
func TestFloodIsBounded(t *testing.T) {
	long := "X-Long: " + strings.Repeat("x", 10000)
	for _, text := range []string{request("INVITE", bob, "F", 1), request("MESSAGE", bob, "F", 1), request("MESSAGE", bob, "F", 1, long)} {
		b := newTightBench(t)
		for i := range 2000 {
			b.receive(lan1, caller, another(text, i))
		}
		room, one := testMemory*int(full)/int(brimful), 4*len(text)+4096
		if b.taken() < room || b.taken() > room+len(b.p.shards)*one {
			t.Errorf("%.20s: %d octets taken; want about %d", text, b.taken(), room)
		}
		b.only(b.receive(lan1, caller, another(text, -1)), "SIP/2.0 503 Too Many Transactions")
		if n := b.status().Counters["refused-transactions"]; (n > 0) != strings.HasPrefix(text, "INVITE") {
			t.Errorf("%.20s: refused-transactions = %d", text, n)
		}
		b.empty()
	}
}

// Nor do calls that are refused take memory.
func TestRefusedFloodIsBounded(t *testing.T) {
	b := newTightBench(t)
	refuses(model.RuleCPS, "")(b)
	for i := range 10000 {
		b.receive(lan1, caller, another(request("INVITE", bob, "F", 1), i))
	}
	if b.taken() != 0 {
		t.Errorf("%d octets taken; want none", b.taken())
	}
}

// Where there is no room for more calls, those in progress go on, up to a bound
// of their own.
func TestDialogsHaveARoomOfTheirOwn(t *testing.T) {
	b := newTightBench(t)
	set := append(routes(reversed(b.established())), tagged)
	info := func(i int) []sent {
		return b.receive(lan1, caller, request("INFO", "sip:bob@192.168.43.2:5060", fmt.Sprint("n", i), 2+i, set...))
	}
	for i := range 2000 {
		b.receive(lan1, caller, another(request("INVITE", bob, "F", 1), i))
	}
	b.only(b.receive(lan1, caller, another(request("INVITE", bob, "F", 1), -1)), "SIP/2.0 503 Too Many Transactions")
	b.only(info(0), "INFO sip:bob@192.168.43.2:5060 SIP/2.0")
	bye := b.receive(lan1, caller, request("BYE", "sip:bob@192.168.43.2:5060", "e", 2, set...))[0]
	b.only(b.receive(lan2, callee, answerTo(bye, 200, "OK")), "SIP/2.0 200 OK")
	for i := range 2000 {
		info(1 + i)
	}
	b.only(info(3000), "SIP/2.0 503 Too Many Transactions")
	if b.taken() > testMemory {
		t.Errorf("%d octets taken; want at most %d", b.taken(), testMemory)
	}
	b.empty()
}

// When memory is tight, who keeps silent is not waited for as long as usual,
// but whoever answers is.
func TestSilenceWhenMemoryIsTight(t *testing.T) {
	b := newTightBench(t)
	ringing := b.invited()
	b.receive(lan2, callee, answerTo(ringing, 180, "Ringing"))
	for i := range 2000 {
		b.receive(lan1, caller, another(request("INVITE", bob, "F", 1), i))
	}
	before := b.status()
	b.wait(4 * time.Second)
	after := b.status()
	if n := after.Counters["timed-out"]; n < int64(before.Transactions)/5 {
		t.Errorf("of %d transactions %d timed out; want most", before.Transactions, n)
	}
	if b.taken() > testMemory*int(tight)/int(brimful)+len(b.p.shards)*10000 {
		t.Errorf("%d octets taken after 4 s", b.taken())
	}
	b.only(b.receive(lan2, callee, answerTo(ringing, 200, "OK")), "SIP/2.0 200 OK")
}

// Without a flood, silence is waited out: 64·T1.
func TestSilenceOtherwise(t *testing.T) {
	b := newBench(t)
	b.invited()
	b.wait(31 * time.Second)
	if n := b.status().Counters["timed-out"]; n != 0 {
		t.Errorf("timed out after 31 s")
	}
	b.empty()
}

// What is said to be taken is what the heap has more.
func TestTakenIsTrue(t *testing.T) {
	heap := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	for _, method := range []string{"INVITE", "MESSAGE"} {
		b := newBench(t)
		before := heap()
		for i := range 10000 {
			b.receive(lan1, caller, another(request(method, bob, "F", 1), i))
		}
		b.out, b.ledger.events = nil, nil
		if rose := heap() - before; rose > b.taken()*5/4 || rose < b.taken()*3/4 {
			t.Errorf("%s: the heap rose by %d octets; %d are said to be taken", method, rose, b.taken())
		}
		runtime.KeepAlive(b)
	}
}
