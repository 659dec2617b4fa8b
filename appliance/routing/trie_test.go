package routing

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// keysOf makes keys of texts.
func keysOf(texts ...string) *keys {
	k := new(keys)
	for _, text := range texts {
		k.text += text
		k.ends = append(k.ends, uint32(len(k.text)))
	}
	return k
}

// TestTrie holds the trie against a search through all keys.
func TestTrie(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		short := rapid.StringMatching(`[012.]{1,6}`)
		texts := rapid.SliceOf(short).Draw(t, "keys")
		probe := []byte(rapid.StringMatching(`[012.]{0,9}`).Draw(t, "probe"))
		var exact, longest, labels int32 = none, none, none
		for i, text := range texts {
			if !bytes.HasPrefix(probe, []byte(text)) {
				continue
			}
			better := func(than int32) bool { return than == none || len(text) > len(texts[than]) }
			if better(longest) {
				longest = int32(i)
			}
			if rest := probe[len(text):]; (len(rest) == 0 || rest[0] == '.') && better(labels) {
				labels = int32(i)
			}
			if text == string(probe) && exact == none {
				exact = int32(i)
			}
		}
		trie := newTrie(keysOf(texts...))
		if got := trie.exact(probe); got != exact {
			t.Errorf("exact(%q) among %q = %d; want %d", probe, texts, got, exact)
		}
		if got := trie.longest(probe, false); got != longest {
			t.Errorf("longest(%q) among %q = %d; want %d", probe, texts, got, longest)
		}
		if got := trie.longest(probe, true); got != labels {
			t.Errorf("longest(%q) among %q by labels = %d; want %d", probe, texts, got, labels)
		}
	})
}

func TestNodeBytes(t *testing.T) {
	if got := int(unsafe.Sizeof(node{})); got != nodeBytes {
		t.Errorf("a node takes %d octets; want %d", got, nodeBytes)
	}
}

// TestSubnets holds it against a search through all networks.
func TestSubnets(t *testing.T) {
	address := rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "IPv6") {
			return netip.AddrFrom16([16]byte{0x20, 0x01, 15: rapid.Byte().Draw(t, "last")})
		}
		return netip.AddrFrom4([4]byte{192, 0, 2, rapid.Byte().Draw(t, "last")})
	})
	rapid.Check(t, func(t *rapid.T) {
		var s subnets[netip.Prefix]
		longest, want := -1, netip.Prefix{}
		at := address.Draw(t, "address")
		for range rapid.IntRange(0, 20).Draw(t, "networks") {
			a := address.Draw(t, "network")
			network, err := a.Prefix(rapid.IntRange(0, a.BitLen()).Draw(t, "length"))
			if err != nil {
				t.Fatal(err)
			}
			s.add(network, network)
			if network.Contains(at) && network.Bits() > longest && network.Bits()%3 != 0 {
				longest, want = network.Bits(), network
			}
		}
		got, length := s.longest(at, func(p netip.Prefix) bool { return p.Bits()%3 != 0 })
		if got != want || length != longest {
			t.Errorf("longest(%v) = %v, %d; want %v, %d", at, got, length, want, longest)
		}
	})
}

func BenchmarkTrie(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		k := keysOf()
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, "49%09d", uint64(i)*2654435761%1_000_000_000)
			k.ends = append(k.ends, uint32(text.Len()))
		}
		k.text = text.String()
		trie := newTrie(k)
		b.Run(fmt.Sprintf("%d keys", n), func(b *testing.B) {
			b.ReportAllocs()
			probe := make([]byte, 0, 16)
			i := 0
			for b.Loop() {
				probe = append(append(probe[:0], k.at(i)...), "123"...)
				if trie.longest(probe, false) == none {
					b.Fatal("not found")
				}
				i = (i + 7919) % n
			}
			b.ReportMetric(float64(trie.bytes()+k.bytes()+4*n)/float64(n), "octets/route")
		})
	}
}
