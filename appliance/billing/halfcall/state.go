package halfcall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"time"

	"causeway/appliance/billing/packetcable"
	"causeway/appliance/model"
)

// The state is the open calls as octets, integers little-endian:
//
//	version u8 = 2, calls u32, each call as call.visit says, CRC-32C of all before
const (
	stateVersion = 2
	stateHead    = 1 + 4
	stateTail    = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Errors of RestoreState.
var (
	errStateShort    = errors.New("state of open calls is cut short")
	errStateChecksum = errors.New("state of open calls does not match its checksum")
	errStateContent  = errors.New("state of open calls holds what no call has")
)

// AppendState appends the open calls, oldest first: about 400 octets each.
// The same calls give the same octets.
func (m *Manager) AppendState(b []byte) []byte {
	start := len(b)
	b = append(b, stateVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.calls)))
	v := visitor{b: b}
	for _, c := range m.byAge() {
		c.visit(&v)
	}
	return binary.LittleEndian.AppendUint32(v.b, crc32.Checksum(v.b[start:], castagnoli))
}

// RestoreState replaces the open calls by those of AppendState. On error they
// are as before.
func (m *Manager) RestoreState(b []byte) error {
	if len(b) < stateHead+stateTail {
		return errStateShort
	}
	if b[0] != stateVersion {
		return fmt.Errorf("state of open calls is of version %d; this firmware reads %d", b[0], stateVersion)
	}
	body, sum := b[:len(b)-stateTail], binary.LittleEndian.Uint32(b[len(b)-stateTail:])
	if crc32.Checksum(body, castagnoli) != sum {
		return errStateChecksum
	}
	calls := map[model.CallKey]*call{}
	v := visitor{b: body[stateHead:], reading: m}
	for range binary.LittleEndian.Uint32(body[1:]) {
		c := &call{}
		if c.visit(&v); v.err != nil {
			return v.err
		}
		calls[c.key] = c
	}
	if len(v.b) > 0 {
		return errStateContent
	}
	m.calls = calls
	return nil
}

// visit writes the fields of the call, or reads them.
func (c *call) visit(v *visitor) {
	v.octets(c.key[:])
	v.uint64(&c.number)
	v.uint32(&c.id.Seconds)
	v.octets(c.id.Element[:])
	v.octets(c.id.Zone[:])
	v.uint32(&c.id.Counter)
	number(v, &c.billed)
	v.flags(&c.filter.Filtered, &c.filter.XML, &c.filter.PacketCable,
		&c.begun[upstream], &c.begun[downstream], &c.rang)
	for _, t := range []*time.Time{&c.offered, &c.routed, &c.answered, &c.disconnected, &c.reserved, &c.committed} {
		v.time(t)
	}
	number(v, &c.cause)
	number(v, &c.hungUp)
	for side := range c.ends {
		end := &c.ends[side]
		v.name(&end.adjacency)
		v.name(&end.account)
		v.name(&end.transport)
		v.place(&end.peer)
	}
	for _, text := range []*string{&c.callID, &c.caller, &c.dialled, &c.calling, &c.called, &c.routing} {
		v.text(text)
	}
	number(v, &c.offerer)
	v.check(c.offerer < sides)
	for i := range list(v, &c.offer) {
		f := &c.offer[i]
		v.format(&f.format)
		v.place(&f.address)
	}
	for i := range list(v, &c.streams) {
		s := &c.streams[i]
		number(v, &s.told)
		v.format(&s.format)
		v.place(&s.ends[upstream])
		v.place(&s.ends[downstream])
	}
}

// visitor writes fields to b, or takes them from it. After an error it reads
// zeros.
type visitor struct {
	b       []byte
	reading *Manager // that the names are interned by; nil: writing
	err     error
}

// octets writes p, or fills it.
func (v *visitor) octets(p []byte) {
	switch {
	case v.reading == nil:
		v.b = append(v.b, p...)
	case len(v.b) < len(p):
		v.err, v.b = errStateShort, nil
		clear(p)
	default:
		v.b = v.b[copy(p, v.b):]
	}
}

func (v *visitor) uint64(n *uint64) {
	var p [8]byte
	binary.LittleEndian.PutUint64(p[:], *n)
	v.octets(p[:])
	*n = binary.LittleEndian.Uint64(p[:])
}

func (v *visitor) uint32(n *uint32) {
	var p [4]byte
	binary.LittleEndian.PutUint32(p[:], *n)
	v.octets(p[:])
	*n = binary.LittleEndian.Uint32(p[:])
}

// number writes or reads a number below 65,536 as two octets.
func number[N ~uint8 | ~uint16 | ~uint32](v *visitor, n *N) {
	var p [2]byte
	binary.LittleEndian.PutUint16(p[:], uint16(*n))
	v.octets(p[:])
	read := binary.LittleEndian.Uint16(p[:])
	*n = N(read)
	v.check(uint16(*n) == read)
}

// check notes what cannot be.
func (v *visitor) check(possible bool) {
	if !possible {
		v.err = errStateContent
	}
}

// flags writes or reads up to eight booleans as an octet, the first in its lowest bit.
func (v *visitor) flags(bits ...*bool) {
	var p [1]byte
	for i, bit := range bits {
		if *bit {
			p[0] |= 1 << i
		}
	}
	v.octets(p[:])
	for i, bit := range bits {
		*bit = p[0]&(1<<i) != 0
	}
}

// time is Unix nanoseconds, 0 for the zero time.
func (v *visitor) time(t *time.Time) {
	var n uint64
	if !t.IsZero() {
		n = uint64(t.UnixNano())
	}
	v.uint64(&n)
	if *t = (time.Time{}); n != 0 {
		*t = time.Unix(0, int64(n)).UTC()
	}
}

// bytes writes or reads a length of two octets and as many octets. What it
// gives must not be kept.
func (v *visitor) bytes(p []byte) []byte {
	length := uint16(len(p))
	number(v, &length)
	if v.reading == nil {
		v.b = append(v.b, p...)
		return p
	}
	if len(v.b) < int(length) {
		v.err, v.b = errStateShort, nil
		return nil
	}
	p, v.b = v.b[:length], v.b[length:]
	return p
}

func (v *visitor) text(s *string) {
	p := v.bytes([]byte(*s))
	*s = string(p)
}

// name is a text that many calls have.
func (v *visitor) name(s *string) {
	p := v.bytes([]byte(*s))
	if v.reading != nil {
		*s = v.reading.intern(p)
	}
}

// place is an address in its binary form, the port last: 2 octets where the
// address is not known, else 6 or 18.
func (v *visitor) place(a *netip.AddrPort) {
	p, _ := a.MarshalBinary() // it knows no errors
	p = v.bytes(p)
	if v.reading == nil {
		return
	}
	v.check(len(p) <= 2+16 && a.UnmarshalBinary(p) == nil) // more: with a zone
}

func (v *visitor) format(f *format) {
	number(v, &f.kind)
	number(v, &f.direction)
	v.check(f.kind <= packetcable.Other && f.direction <= packetcable.SendReceive)
	v.uint32(&f.rate)
	number(v, &f.payload)
	clock := uint32(f.clock)
	v.uint32(&clock)
	f.clock = int(clock)
	v.name(&f.codec)
}

// list writes the length of a list, or reads it and makes the list.
func list[E any](v *visitor, l *[]E) []E {
	length := uint8(len(*l))
	number(v, &length)
	if v.reading != nil && length > 0 {
		*l = make([]E, length)
	}
	return *l
}
