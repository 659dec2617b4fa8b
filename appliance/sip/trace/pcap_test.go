package trace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
)

// packet is one of a file, as readPcap sees it.
type packet struct {
	seconds, micros uint32
	from, to        netip.AddrPort
	message         []byte
}

// readPcap reads a file by the book (draft-ietf-opsawg-pcap, RFC 791, 8200,
// 768) and checks all checksums.
func readPcap(file []byte) (packets []packet, err error) {
	r := bytes.NewReader(file)
	var header struct {
		Magic        uint32
		Major, Minor uint16
		Zone, Digits uint32
		Snap, Link   uint32
	}
	if err := binary.Read(r, binary.LittleEndian, &header); err != nil {
		return nil, err
	}
	if header.Magic != 0xa1b2c3d4 || header.Major != 2 || header.Minor != 4 || header.Link != 101 {
		return nil, fmt.Errorf("the file begins with %+v", header)
	}
	for {
		var head struct{ Seconds, Micros, Length, Original uint32 }
		switch err := binary.Read(r, binary.LittleEndian, &head); {
		case errors.Is(err, io.EOF):
			return packets, nil
		case err != nil:
			return packets, err
		}
		if head.Length > header.Snap || head.Length != head.Original || head.Micros >= 1_000_000 {
			return packets, fmt.Errorf("a packet begins with %+v", head)
		}
		octets := make([]byte, head.Length)
		if _, err := io.ReadFull(r, octets); err != nil {
			return packets, err
		}
		p, err := readPacket(octets)
		if err != nil {
			return packets, fmt.Errorf("packet %d: %w", len(packets), err)
		}
		p.seconds, p.micros = head.Seconds, head.Micros
		packets = append(packets, p)
	}
}

func readPacket(b []byte) (p packet, err error) {
	var from, to netip.Addr
	var pseudo []byte
	switch b[0] >> 4 {
	case 4:
		if int(binary.BigEndian.Uint16(b[2:])) != len(b) || b[0] != 0x45 || b[9] != 17 || onesSum(b[:20]) != 0xffff {
			return p, fmt.Errorf("a wrong IPv4 header % x", b[:20])
		}
		from, to = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		pseudo, b = slices.Clone(b[12:20]), b[20:]
	case 6:
		if int(binary.BigEndian.Uint16(b[4:])) != len(b)-40 || b[6] != 17 {
			return p, fmt.Errorf("a wrong IPv6 header % x", b[:40])
		}
		from, to = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		pseudo, b = slices.Clone(b[8:40]), b[40:]
	default:
		return p, fmt.Errorf("version %d", b[0]>>4)
	}
	length := binary.BigEndian.Uint16(b[4:])
	pseudo = append(pseudo, 0, 17, byte(length>>8), byte(length))
	if int(length) != len(b) || onesSum(append(pseudo, b...)) != 0xffff || binary.BigEndian.Uint16(b[6:]) == 0 {
		return p, fmt.Errorf("a wrong UDP header % x, sum %#x", b[:8], onesSum(append(pseudo, b...)))
	}
	p.from = netip.AddrPortFrom(from, binary.BigEndian.Uint16(b))
	p.to = netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2:]))
	p.message = b[8:]
	return p, nil
}

// onesSum is the sum of RFC 1071, by 64-bit arithmetic.
func onesSum(b []byte) uint64 {
	var total uint64
	for i, c := range b {
		if i%2 == 0 {
			total += uint64(c) << 8
		} else {
			total += uint64(c)
		}
	}
	return (total-1)%0xffff + 1
}

// TestFile traces messages of all kinds to a file and reads it. Where tshark
// is installed, that reads it as well.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	b := New(Options{Dir: dir})
	long := append(request("MESSAGE", "long", "bob"), bytes.Repeat([]byte("x"), 70_000)...)
	traced := []struct {
		sent          bool
		t             model.Transport
		local, remote netip.AddrPort
		message       []byte
		from, to      string
	}{
		{false, model.UDP, lan1, alice, request("INVITE", "one", "bob"), "192.0.2.1:5060", "192.168.42.1:5060"},
		{true, model.TLS, lan6, carol, request("INVITE", "one", "carol"), "[2001:db8::1]:5061", "[2001:db8::3]:5061"},
		{false, model.TLS, lan6, carol, response("486 Busy Here", "INVITE", "one", "carol"), "[2001:db8::3]:5061", "[2001:db8::1]:5061"},
		{true, model.UDP, netip.MustParseAddrPort("[::ffff:192.168.42.1]:5060"), alice, response("486 Busy Here", "INVITE", "one", "bob"), "192.168.42.1:5060", "192.0.2.1:5060"},
		{false, model.TCP, lan1, bob, long, "198.51.100.2:5070", "192.168.42.1:5060"},
		{false, model.UDP, netip.MustParseAddrPort("[::]:5060"), alice, request("BYE", "odd", "bob1"), "[::ffff:192.0.2.1]:5060", "[::]:5060"},
		{true, model.TCP, netip.AddrPort{}, bob, request("BYE", "unknown", "bob"), "0.0.0.0:0", "198.51.100.2:5070"},
	}
	began := time.Now()
	begin(t, b, Request{File: "x.pcap"})
	for _, m := range traced {
		b.Trace(m.sent, m.t, m.local, m.remote, m.message)
	}
	status := b.Stop()
	path := filepath.Join(dir, "x.pcap")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if status.Written != int64(len(file)) || status.Problem != "" || status.Lost != 0 {
		t.Errorf("Stop = %+v; want %d octets written", status, len(file))
	}
	if bytes.Contains(file, []byte("7587245234b3434c")) {
		t.Error("credentials are in the file")
	}
	packets, err := readPcap(file)
	if err != nil || len(packets) != len(traced) {
		t.Fatalf("the file has %d packets and the error %v; want %d", len(packets), err, len(traced))
	}
	for i, m := range traced {
		p := packets[i]
		want := m.message[:min(len(m.message), packetMax)]
		if p.from.String() != m.from || p.to.String() != m.to || len(p.message) != len(want) || !bytes.HasPrefix(p.message, want[:200]) {
			t.Errorf("packet %d is from %v to %v with %d octets; want %s, %s, %d", i, p.from, p.to, len(p.message), m.from, m.to, len(want))
		}
		if at := time.Unix(int64(p.seconds), int64(p.micros)*1000); at.Before(began.Truncate(time.Microsecond)) || at.After(time.Now()) {
			t.Errorf("packet %d is of %v; want now", i, at)
		}
	}
	if tshark, err := exec.LookPath("tshark"); err == nil {
		judge(t, tshark, path)
	}
}

// judge has tshark read a file of TestFile.
func judge(t *testing.T, tshark, path string) {
	output, err := exec.Command(tshark, "-r", path, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-Y", "sip && udp.checksum.status==1", "-T", "fields", "-e", "sip.Method", "-e", "sip.Status-Code", "-e", "_ws.malformed").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	want := "INVITE\t\t\nINVITE\t\t\n\t486\t\n\t486\t\nMESSAGE\t\t\nBYE\t\t\nBYE\t\t\n"
	if string(output) != want {
		t.Errorf("tshark reads\n%s; want\n%s", output, want)
	}
}

// TestFileFollows: the file is written while the tracing runs, by Run.
func TestFileFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := New(Options{Dir: dir, Size: 8 << 10})
		run(t, b)
		begin(t, b, Request{File: "x.pcap", Messages: 60})
		for range 4 {
			for range 10 {
				b.Trace(false, model.UDP, lan1, alice, request("INVITE", "one", "bob"))
			}
			time.Sleep(time.Second)
		}
		b.writing.Lock() // a slow disk: more come than the ring holds
		for range 20 {
			b.Trace(false, model.UDP, lan1, alice, request("INVITE", "one", "bob"))
		}
		b.writing.Unlock()
		time.Sleep(time.Second)
		if b.On() {
			t.Error("on after the last message that was asked for")
		}
		file, err := os.ReadFile(filepath.Join(dir, "x.pcap"))
		if err != nil {
			t.Fatal(err)
		}
		packets, err := readPcap(file)
		status := b.Stop()
		if err != nil || status.Messages != 60 || status.Lost == 0 || len(packets)+status.Lost != 60 {
			t.Errorf("%d packets and the error %v; status %+v; want 60 with those that were lost", len(packets), err, status)
		}
	})
}

// TestFileEnds: a file that is full ends, the tracing does not.
func TestFileEnds(t *testing.T) {
	b := New(Options{Dir: t.TempDir()})
	begin(t, b, Request{File: "x.pcap"})
	b.file.written = fileMax - 100
	b.Trace(false, model.UDP, lan1, alice, request("INVITE", "one", "bob"))
	b.work()
	status := b.page(Query{}).Status
	if !status.On || !strings.Contains(status.Problem, "64 MiB") || b.file != nil {
		t.Errorf("status = %+v; want on, and the file ended", status)
	}
}
