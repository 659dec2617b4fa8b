package message

import (
	"errors"
	"iter"
	"net/netip"
)

var ErrKeepAlive = errors.New("keep-alive, not a message")

type Via struct {
	Value, Transport, Host, Branch, Received, RPort, MAddr Span
	Port                                                   uint16
	HasRPort                                               bool
	More                                                   bool
	Cut                                                    Span
}

func (m *Message) Parse(datagram []byte) error { return ErrKeepAlive }
func (m *Message) Validate() *Fault            { return nil }

type Fault struct {
	Status int
	Reason string
}

func (f *Fault) Error() string { return f.Reason }

type URI struct {
	Scheme, User, Host, Params, Headers Span
	Port                                uint16
	Secure, Loose                       bool
}

func ParseURI(raw []byte, at Span) (URI, error)                         { return URI{}, ErrKeepAlive }
func (u *URI) Param(raw []byte, name string) (value []byte, found bool) { return nil, false }
func (u *URI) Addr(raw []byte) (netip.Addr, bool)                       { return netip.Addr{}, false }

type NameAddr struct {
	URI, Params, Element Span
	Next                 uint16
}

func ParseNameAddr(raw []byte, at Span) (NameAddr, error) { return NameAddr{}, ErrKeepAlive }

type Route struct {
	NameAddr
	Cut Span
}

func (m *Message) Routes() iter.Seq2[int, Route] { return func(yield func(int, Route) bool) {} }

// CutRoutes appends the edits that remove the first n Route elements.
func (m *Message) CutRoutes(edits []Edit, n int) []Edit { return edits }

type Edit struct {
	At   Span
	With []byte
}

func Splice(dst, raw []byte, edits []Edit) []byte { return append(dst, raw...) }
func ParseVia(raw []byte, at Span) (Via, error)   { return Via{}, ErrKeepAlive }
func (m *Message) SecondVia() (Via, bool)         { return Via{}, false }
