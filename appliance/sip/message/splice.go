package message

// Edit replaces the octets At of a message by With. An empty At inserts, an
// empty With removes.
type Edit struct {
	At   Span
	With []byte
}

// Splice appends raw to dst with the edits applied, which must be in ascending
// order; several insertions at one offset come out in their order. Where two
// overlap, what either removes is gone. dst must not share memory with raw.
func Splice(dst, raw []byte, edits []Edit) []byte {
	at := 0
	for i := range edits {
		edit := &edits[i]
		start := max(at, int(edit.At.Start))
		dst = append(dst, raw[at:start]...)
		dst = append(dst, edit.With...)
		at = max(start, int(edit.At.End))
	}
	return append(dst, raw[at:]...)
}
