package stream

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"causeway/appliance/model"
)

// invite is as large as messages of calls are.
var invite = request("3848276298220188511@192.0.2.10", strings.Repeat("v=0 o=alice ", 50))

// benchPool echoes what it receives.
func benchPool(b *testing.B) *Pool {
	p := New(Options{
		Receive: func(c *Conn, payload []byte, more bool) {
			if c.Queue(payload); !more {
				c.Flush()
			}
		},
		Limits: func() Limits { return Limits{Connections: 10000, PerAddress: 10000} },
	})
	b.Cleanup(p.Close)
	return p
}

func benchListen(b *testing.B, p *Pool, t model.Transport) (*Listener, *tls.Config) {
	ca := newAuthority(&testing.T{})
	l, err := p.Listen(t, anyPort)
	if err != nil {
		b.Fatal(err)
	}
	l.Serve(ListenOptions{Identity: always(ca.issue(sipURI("sip:server.example.com")), ca.roots())})
	return l, &tls.Config{InsecureSkipVerify: true}
}

func benchDial(b *testing.B, l *Listener, config *tls.Config) net.Conn {
	conn, err := net.Dial("tcp", l.Address().String())
	if err != nil {
		b.Fatal(err)
	}
	if l.Transport().Secure() {
		conn = tls.Client(conn, config)
	}
	b.Cleanup(func() { conn.Close() })
	return conn
}

// BenchmarkEcho is a message in and one out, with the peer in the same
// process: alone, and sixteen that come together.
func BenchmarkEcho(b *testing.B) {
	for _, transport := range []model.Transport{model.TCP, model.TLS} {
		for _, together := range []int{1, 16} {
			b.Run(transport.String()+"/"+strings.Repeat("I", together), func(b *testing.B) {
				l, config := benchListen(b, benchPool(b), transport)
				conn := benchDial(b, l, config)
				out := []byte(strings.Repeat(invite, together))
				in := make([]byte, len(out))
				echo := func() {
					if _, err := conn.Write(out); err != nil {
						b.Fatal(err)
					}
					if _, err := io.ReadFull(conn, in); err != nil {
						b.Fatal(err)
					}
				}
				echo()
				b.ReportAllocs()
				before := cpu()
				b.ResetTimer()
				for i := 0; i < b.N; i += together {
					echo()
				}
				b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// cpu is the processor time of the process, in ns.
func cpu() int64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// BenchmarkFind is what every message to a peer begins with.
func BenchmarkFind(b *testing.B) {
	p := benchPool(b)
	l, _ := benchListen(b, p, model.TCP)
	conn := benchDial(b, l, nil)
	remote := addrPort(conn.LocalAddr())
	for p.table.find(l, remote, "") == nil {
		runtime.Gosched()
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Conn(l, remote, "")
	}
}

// BenchmarkIdle is what a connection takes that has carried a message and
// rests: heap and stacks, without those of the peer, which are measured
// alone.
func BenchmarkIdle(b *testing.B) {
	for _, transport := range []model.Transport{model.TCP, model.TLS} {
		b.Run(transport.String(), func(b *testing.B) {
			const count = 1000
			for b.Loop() {
				p := benchPool(b)
				l, config := benchListen(b, p, transport)
				peers := make([]net.Conn, count)
				before := inUse()
				for i := range peers {
					peers[i] = benchDial(b, l, config)
					in := make([]byte, len(invite))
					io.WriteString(peers[i], invite)
					io.ReadFull(peers[i], in)
				}
				both := inUse() - before
				p.Close()
				b.ReportMetric(float64(both-(inUse()-before))/count, "B/conn")
				runtime.KeepAlive(peers)
			}
		})
	}
}

// inUse is what heap and stacks take.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
