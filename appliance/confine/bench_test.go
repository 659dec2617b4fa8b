package confine

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/ipv4"
)

// BenchmarkSend sends batches of 16 datagrams (sendmmsg), as the proxy does, in a
// process that is free and in one that is confined as the proxy.
func BenchmarkSend(b *testing.B) {
	if os.Getenv(benchmarked) != "" {
		if err := Enter("proxy", "/nowhere"); err != nil {
			b.Fatal(err)
		}
		send(b)
		return
	}
	b.Run("free", send)
	b.Run("confined", func(b *testing.B) {
		command := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkSend$", "-test.benchtime=1s")
		command.Env = append(os.Environ(), benchmarked+"=1")
		output, err := command.CombinedOutput()
		if err != nil {
			b.Fatalf("%v: %s", err, output)
		}
		fields := strings.Fields(string(output[bytes.Index(output, []byte("BenchmarkSend")):])) // "BenchmarkSend-2 50000 47188 ns/op"
		taken, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			b.Fatalf("%v: %s", err, output)
		}
		b.ReportMetric(taken, "ns/op")
	})
}

// benchmarked is the variable that has BenchmarkSend measure itself confined.
const benchmarked = "CONFINE_BENCHMARK"

func send(b *testing.B) {
	sink, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer socket.Close()
	batch := make([]ipv4.Message, 16)
	for i := range batch {
		batch[i] = ipv4.Message{Buffers: [][]byte{make([]byte, 500)}, Addr: sink.LocalAddr()}
	}
	conn := ipv4.NewPacketConn(socket)
	for b.Loop() {
		if _, err := conn.WriteBatch(batch, 0); err != nil {
			b.Fatal(err)
		}
	}
}
