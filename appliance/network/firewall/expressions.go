package firewall

import (
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Field is a part of a packet, or of what the kernel knows of it.
type Field uint8

// The fields.
const (
	In             Field = iota // the interface that it came in by
	Out                         // that it leaves by
	Family                      // 2 for IPv4, 10 for IPv6
	Source4                     // addresses
	Destination4                //
	Source6                     //
	Destination6                //
	HopLimit6                   //
	UDPSource                   // ports
	UDPDestination              //
	TCPDestination              //
	ICMPType                    //
	ICMP6Type                   //
	SourceRoute6                // 0 if no route leads to the source
	Connection                  // what connection tracking says; see State
	Direction                   // 0 as the packet that began the connection, 1 against it
)

// layout is how the kernel gets at a field.
type layout struct {
	family   byte // it is in packets of this family only; 0: of all
	protocol byte // it is in packets of this transport only; 0: of all
	kind     nftables.SetDatatype
	load     func(register uint32) expr.Any
}

var layouts = [...]layout{
	In:             {0, 0, nftables.TypeIFName, meta(expr.MetaKeyIIFNAME)},
	Out:            {0, 0, nftables.TypeIFName, meta(expr.MetaKeyOIFNAME)},
	Family:         {0, 0, nftables.TypeNFProto, meta(expr.MetaKeyNFPROTO)},
	Source4:        {unix.NFPROTO_IPV4, 0, nftables.TypeIPAddr, header(expr.PayloadBaseNetworkHeader, 12, 4)},
	Destination4:   {unix.NFPROTO_IPV4, 0, nftables.TypeIPAddr, header(expr.PayloadBaseNetworkHeader, 16, 4)},
	Source6:        {unix.NFPROTO_IPV6, 0, nftables.TypeIP6Addr, header(expr.PayloadBaseNetworkHeader, 8, 16)},
	Destination6:   {unix.NFPROTO_IPV6, 0, nftables.TypeIP6Addr, header(expr.PayloadBaseNetworkHeader, 24, 16)},
	HopLimit6:      {unix.NFPROTO_IPV6, 0, nftables.TypeInteger, header(expr.PayloadBaseNetworkHeader, 7, 1)},
	UDPSource:      {0, unix.IPPROTO_UDP, nftables.TypeInetService, header(expr.PayloadBaseTransportHeader, 0, 2)},
	UDPDestination: {0, unix.IPPROTO_UDP, nftables.TypeInetService, header(expr.PayloadBaseTransportHeader, 2, 2)},
	TCPDestination: {0, unix.IPPROTO_TCP, nftables.TypeInetService, header(expr.PayloadBaseTransportHeader, 2, 2)},
	ICMPType:       {unix.NFPROTO_IPV4, unix.IPPROTO_ICMP, nftables.TypeICMPType, header(expr.PayloadBaseTransportHeader, 0, 1)},
	ICMP6Type:      {unix.NFPROTO_IPV6, unix.IPPROTO_ICMPV6, nftables.TypeICMP6Type, header(expr.PayloadBaseTransportHeader, 0, 1)},
	SourceRoute6: {unix.NFPROTO_IPV6, 0, nftables.TypeBoolean, func(register uint32) expr.Any {
		return &expr.Fib{Register: register, ResultOIF: true, FlagSADDR: true, FlagPRESENT: true}
	}},
	Connection: {0, 0, nftables.TypeCTState, tracked(expr.CtKeySTATE)},
	Direction:  {0, 0, nftables.TypeCTDir, tracked(expr.CtKeyDIRECTION)},
}

func meta(key expr.MetaKey) func(uint32) expr.Any {
	return func(register uint32) expr.Any { return &expr.Meta{Key: key, Register: register} }
}

func tracked(key expr.CtKey) func(uint32) expr.Any {
	return func(register uint32) expr.Any { return &expr.Ct{Key: key, Register: register} }
}

func header(base expr.PayloadBase, offset, length uint32) func(uint32) expr.Any {
	return func(register uint32) expr.Any {
		return &expr.Payload{DestRegister: register, Base: base, Offset: offset, Len: length}
	}
}

// data is a value of the field as the kernel has it in a register.
func (f Field) data(e Element) []byte {
	switch f {
	case In:
		return interfaceData(e.In)
	case Out:
		return interfaceData(e.Out)
	case Source4, Destination4, Source6, Destination6:
		return e.Address.AsSlice()
	case UDPSource, UDPDestination, TCPDestination:
		return binaryutil.BigEndian.PutUint16(e.Port)
	case SourceRoute6:
		return []byte{e.Number, 0, 0, 0}
	}
	return []byte{e.Number}
}

func interfaceData(name string) []byte {
	data := make([]byte, unix.IFNAMSIZ)
	copy(data, name)
	return data
}

// keyData is an element as the kernel has it: each value begins on a register.
func keyData(key []Field, e Element) []byte {
	if len(key) == 1 {
		return key[0].data(e)
	}
	var data []byte
	for _, field := range key {
		data = append(data, field.data(e)...)
		data = append(data, make([]byte, -len(data)&3)...)
	}
	return data
}

// keyType is the type of a set's elements.
func keyType(key []Field) nftables.SetDatatype {
	kinds := make([]nftables.SetDatatype, len(key))
	for i, field := range key {
		kinds[i] = layouts[field].kind
	}
	if len(kinds) == 1 {
		return kinds[0]
	}
	return nftables.MustConcatSetType(kinds...) // three fields at most
}

// register gives the number of the register that begins at the n-th group of
// four octets, as the kernel prints it.
func register(n uint32) uint32 {
	if n%4 == 0 {
		return unix.NFT_REG_1 + n/4
	}
	return unix.NFT_REG32_00 + n
}

// expressions is a rule in the kernel's language.
func (r Rule) expressions() []expr.Any {
	var program []expr.Any
	var known layout // what earlier expressions made sure of
	for _, match := range r.Match {
		for _, field := range match.Fields {
			need := layouts[field]
			if need.family != 0 && known.family != need.family {
				program = append(program, meta(expr.MetaKeyNFPROTO)(1), equal(need.family))
				known.family = need.family
			}
			if need.protocol != 0 && known.protocol != need.protocol {
				program = append(program, meta(expr.MetaKeyL4PROTO)(1), equal(need.protocol))
				known.protocol = need.protocol
			}
		}
		program = append(program, match.expressions()...)
	}
	if r.Limit > 0 {
		program = append(program, &expr.Limit{Type: expr.LimitTypePkts, Rate: r.Limit, Unit: expr.LimitTimeSecond, Burst: uint32(r.Limit)})
	}
	if r.Counted {
		program = append(program, &expr.Counter{})
	}
	switch r.Verdict {
	case Accept:
		return append(program, &expr.Verdict{Kind: expr.VerdictAccept})
	case Drop:
		return append(program, &expr.Verdict{Kind: expr.VerdictDrop})
	case NoTrack:
		return append(program, &expr.Notrack{})
	case Masquerade:
		return append(program, &expr.Masq{FullyRandom: r.Random})
	}
	return append(program, &expr.Verdict{Kind: expr.VerdictGoto, Chain: r.Goto})
}

func equal(value byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: []byte{value}}
}

func (m Match) expressions() []expr.Any {
	var program []expr.Any
	position := uint32(0)
	for _, field := range m.Fields {
		program = append(program, layouts[field].load(register(position)))
		position += (layouts[field].kind.Bytes + 3) / 4
	}
	switch {
	case m.Set != "":
		return append(program, &expr.Lookup{SourceRegister: unix.NFT_REG_1, SetName: m.Set, Invert: m.Not})
	case m.States != 0:
		return append(program,
			&expr.Bitwise{
				SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: 4,
				Mask: binaryutil.NativeEndian.PutUint32(uint32(m.States)), Xor: make([]byte, 4),
			},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: unix.NFT_REG_1, Data: make([]byte, 4)})
	}
	operator := expr.CmpOpEq
	if m.Not {
		operator = expr.CmpOpNeq
	}
	return append(program, &expr.Cmp{Op: operator, Register: unix.NFT_REG_1, Data: m.Fields[0].data(m.Value)})
}
