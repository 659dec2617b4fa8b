package sip

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// steer has the kernel deliver the INVITEs of an address to the last of its
// sockets, and all else to the readers' ones before that: which of them says
// the sender, so that nothing overtakes within a flow. The program is that of
// all sockets of the address (SO_ATTACH_REUSEPORT_CBPF, socket(7)).
func (s *socket) steer(readers int, ipv6 bool) error {
	raw, err := bpf.Assemble(steering(readers, ipv6))
	if err != nil {
		return fmt.Errorf("steer INVITEs: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return s.control("steer INVITEs", func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, &program)
	})
}

// steerNoMore has the kernel spread datagrams over the sockets by itself.
func (s *socket) steerNoMore() error {
	return s.control("steer INVITEs no more", func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_REUSEPORT_BPF, 0)
	})
}

// steering is the program: it gives the number of a socket.
func steering(readers int, ipv6 bool) []bpf.Instruction {
	const ipHeader = 0xfff00000 // SKF_NET_OFF: offsets from there are in the IP header, others in the payload
	address, port := uint32(ipHeader+12), uint32(ipHeader+20)
	if ipv6 {
		address, port = ipHeader+20, ipHeader+40
	}
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 4}, // of a payload; a shorter one goes to the first socket
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32([]byte(invitePrefix)), SkipTrue: 1},
		bpf.RetConstant{Val: uint32(readers)},
	}
	if readers == 1 {
		return append(program, bpf.RetConstant{Val: 0})
	}
	return append(program,
		bpf.LoadAbsolute{Off: address, Size: 4},
		bpf.TAX{},
		bpf.LoadAbsolute{Off: port, Size: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: uint32(readers)},
		bpf.RetA{})
}

// control does something to a socket that has no method of its own.
func (s *socket) control(what string, do func(fd int) error) error {
	var failed error
	err := s.raw.Control(func(fd uintptr) { failed = do(int(fd)) })
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// setQueue bounds what waits to be read, in octets; the kernel takes twice
// that, since it counts its own memory.
func (s *socket) setQueue(octets int) error {
	return s.control("set the length of the queue", func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, octets)
	})
}
