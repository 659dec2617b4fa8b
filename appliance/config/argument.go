package config

import (
	"fmt"
	"net/netip"

	"causeway/appliance/model"
)

// Argument declares one value of a command line.
type Argument struct {
	Name    string // as the syntax writes it, in capitals
	Type    Type
	Help    string
	Default any // of a value in an optional part that was not typed; nil for none
}

// Type is a kind of value: how it is read, printed and described.
type Type interface {
	// Parse reads one word. Its error is the rule the word broke.
	Parse(word string) (any, error)
	// Format prints a value so that Parse gives it back.
	Format(value any) string
	// String is what may stand there: "A.B.C.D", "<1-255>", "WORD".
	String() string
}

// Args are the values of one line by argument name, together with those of
// the lines that opened the modes around it. A declared argument that was not
// typed and has no default is there with the value nil. A keyword of an
// optional part is there by its own name when it was typed.
type Args map[string]any

// When gives one line where it is needed, and else none: what Command.Render
// gives of a command that has one line at the most.
func When(needed bool, line Args) []Args {
	if !needed {
		return nil
	}
	return []Args{line}
}

// Has reports whether the argument or optional keyword was typed or has a default.
func (a Args) Has(name string) bool { return a[name] != nil }

// Int gives an Integer's value or a Mask's prefix length.
func (a Args) Int(name string) int { return value[int](a, name) }

// Text gives the value of a Name, Line, Label, Host or Choice, and the
// stored form of a Secret or a Password.
func (a Args) Text(name string) string { return value[string](a, name) }

// Addr gives the value of an IPv4 or Address.
func (a Args) Addr(name string) netip.Addr { return value[netip.Addr](a, name) }

// Addrs gives the values of a repeated IPv4 or Address.
func (a Args) Addrs(name string) []netip.Addr {
	var addrs []netip.Addr
	for _, v := range value[[]any](a, name) {
		addrs = append(addrs, v.(netip.Addr))
	}
	return addrs
}

// Texts gives the values of a repeated Name, Host or Choice.
func (a Args) Texts(name string) []string {
	var texts []string
	for _, v := range value[[]any](a, name) {
		texts = append(texts, v.(string))
	}
	return texts
}

// AddrPort gives an address and a port typed as two words.
func (a Args) AddrPort(address, port string) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(address), uint16(a.Int(port)))
}

// Prefix gives an address and a mask typed as two words.
func (a Args) Prefix(address, mask string) netip.Prefix {
	return netip.PrefixFrom(a.Addr(address), a.Int(mask))
}

// Port gives the value of a LAN.
func (a Args) Port(name string) model.Port { return value[model.Port](a, name) }

// Prefix6 gives the value of a Prefix6.
func (a Args) Prefix6(name string) netip.Prefix { return value[netip.Prefix](a, name) }

// value gives the argument's value, or zero if it was not typed. Asking for an
// argument that the command does not declare is a mistake in its declaration.
func value[T any](a Args, name string) T {
	v, declared := a[name]
	if !declared {
		panic(fmt.Sprintf("config: the line has no argument %s", name))
	}
	if v == nil {
		var zero T
		return zero
	}
	return v.(T)
}
