package routing

import (
	"cmp"
	"slices"
)

// trie finds the longest key that a text begins with, and so also exact keys.
// It is a radix tree whose labels are pieces of the keys themselves; the
// children of a node stand in a row. A key costs 16 to 32 octets beside its
// text, a lookup as many steps as branches lie on its way.
type trie struct {
	text  string // all keys, one after the other
	nodes []node // the first is the root, whose label is empty
}

// node is one label and what begins with it.
type node struct {
	text  uint32 // where the label stands in trie.text
	child uint32 // index of the first child
	route int32  // that ends here; none: -1
	size  uint16 // of the label, in octets
	count uint8  // of children
	first byte   // of the label
}

// none is no route.
const none = -1

// newTrie makes the trie of the keys, whose routes are their indexes. The keys
// hold no octet 0; of equal ones the first counts.
func newTrie(k *keys) trie {
	order := make([]int32, k.len())
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(k.at(int(a)), k.at(int(b))), int(a-b))
	})
	order = slices.CompactFunc(order, func(a, b int32) bool { return k.at(int(a)) == k.at(int(b)) })

	// Each branch is a node and the keys, in order, that begin with it; its
	// label ends after depth octets of them. A key alone is no branch.
	type branch struct {
		node  int
		keys  []int32
		depth int
	}
	t := trie{text: k.text, nodes: make([]node, 1, len(order)+len(order)/4+1)}
	t.nodes[0].route = none
	for queue := []branch{{0, order, 0}}; len(queue) > 0; {
		b := queue[0]
		queue = queue[1:]
		if len(b.keys) > 0 && len(k.at(int(b.keys[0]))) == b.depth {
			t.nodes[b.node].route = b.keys[0]
			b.keys = b.keys[1:]
		}
		t.nodes[b.node].child = uint32(len(t.nodes))
		for len(b.keys) > 0 {
			first := k.at(int(b.keys[0]))
			n := 1
			for n < len(b.keys) && k.at(int(b.keys[n]))[b.depth] == first[b.depth] {
				n++
			}
			depth := b.depth + commonPrefix(first[b.depth:], k.at(int(b.keys[n-1]))[b.depth:])
			t.nodes[b.node].count++
			child := node{text: uint32(k.begin(int(b.keys[0])) + b.depth), size: uint16(depth - b.depth), first: first[b.depth], route: none}
			if n == 1 {
				child.route = b.keys[0]
			} else {
				queue = append(queue, branch{len(t.nodes), b.keys[:n], depth})
			}
			t.nodes = append(t.nodes, child)
			b.keys = b.keys[n:]
		}
	}
	t.nodes = slices.Clip(t.nodes)
	return t
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// longest gives the route of the longest key that text begins with, or none.
// With labels a key counts only where it ends before a dot or with the text.
func (t *trie) longest(text []byte, labels bool) int32 {
	found := t.nodes[0].route
	t.walk(text, func(at int, route int32) {
		if !labels || at == len(text) || text[at] == '.' {
			found = route
		}
	})
	return found
}

// exact gives the route whose key is text, or none.
func (t *trie) exact(text []byte) int32 {
	found := int32(none)
	t.walk(text, func(at int, route int32) {
		if at == len(text) {
			found = route
		}
	})
	return found
}

// walk calls visit for each key that text begins with, by rising length, with
// that length.
func (t *trie) walk(text []byte, visit func(at int, route int32)) {
	n := &t.nodes[0]
	for at := 0; at < len(text); {
		if n = t.child(n, text[at]); n == nil {
			return
		}
		end := at + int(n.size)
		if end > len(text) || string(text[at:end]) != t.text[n.text:n.text+uint32(n.size)] {
			return
		}
		if at = end; n.route != none {
			visit(at, n.route)
		}
	}
}

// child gives the child of n whose label begins with that octet, or nil.
func (t *trie) child(n *node, first byte) *node {
	children := t.nodes[n.child : n.child+uint32(n.count)]
	for i := range children {
		if children[i].first == first {
			return &children[i]
		}
	}
	return nil
}

// bytes is the memory that the trie takes beside the text of its keys.
func (t *trie) bytes() int { return len(t.nodes) * nodeBytes }

const nodeBytes = 16 // a test holds it against the compiler
