package message

// Edit replaces the octets At of a message by With. An empty At inserts, an
// empty With removes.
type Edit struct {
	At   Span
	With []byte
}

// Splice appends raw to dst with the edits applied. They must be in ascending
// order and must not overlap; several insertions at one offset come out in
// their order. dst must not share memory with raw.
func Splice(dst, raw []byte, edits []Edit) []byte {
	at := 0
	for i := range edits {
		edit := &edits[i]
		dst = append(dst, raw[at:edit.At.Start]...)
		dst = append(dst, edit.With...)
		at = int(edit.At.End)
	}
	return append(dst, raw[at:]...)
}
