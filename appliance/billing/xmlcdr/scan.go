package xmlcdr

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// A mark is the line behind the calls of one write to a part, a comment with the
// checksum of all octets in front of it that are no marks. The name of the file
// counts, too: FAT may leave old files' octets where new ones did not arrive.
const (
	markBegin = "<!--"
	markEnd   = "-->\n"
	markSize  = len(markBegin) + 8 + len(markEnd)
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is that of a part without octets.
func checksum(name string) uint32 { return crc32.Checksum([]byte(name), castagnoli) }

func appendMark(b []byte, sum uint32) []byte {
	return fmt.Appendf(b, markBegin+"%08x"+markEnd, sum)
}

func isMark(line []byte) bool {
	return len(line) == markSize && bytes.HasPrefix(line, []byte(markBegin)) && bytes.HasSuffix(line, []byte(markEnd))
}

// scanned is what stands in a part.
type scanned struct {
	whole int64  // octets up to the end of the last mark that is right
	sum   uint32 // in it
	calls int    // in front of it
	torn  int64  // octets behind it
	marks int    // among those
	err   error  // of reading
}

// damaged reports whether there is more behind the whole calls than what a cut
// leaves of a write.
func (s *scanned) damaged() bool { return s.marks > 0 || s.err != nil }

// scan reads a part and gives each of its whole calls to seen.
func scan(name string, in io.Reader, seen func(callSum)) (s scanned) {
	sum := checksum(name)
	calls := callReader{hash: md5.New()}
	var written []callSum // since the last mark
	s.err = eachLine(in, func(line []byte) error {
		s.torn += int64(len(line))
		switch {
		case !isMark(line):
			sum = crc32.Update(sum, castagnoli, line)
			if call, ends := calls.line(line); ends {
				written = append(written, call)
			}
		case s.marks == 0 && bytes.Equal(line, appendMark(nil, sum)):
			s.whole, s.torn, s.sum = s.whole+s.torn, 0, sum
			s.calls += len(written)
			for _, call := range written {
				seen(call)
			}
			written = written[:0]
		default:
			s.marks++
		}
		return nil
	})
	return s
}

// eachLine gives what is read to do in lines, long ones and the last in pieces,
// until there is an error.
func eachLine(in io.Reader, do func(line []byte) error) error {
	for r := bufio.NewReaderSize(in, 64<<10); ; {
		line, err := r.ReadSlice('\n')
		if doErr := do(line); doErr != nil {
			return doErr
		}
		if err == io.EOF {
			return nil
		}
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
	}
}

// callSum tells a call from all others, by all its octets.
type callSum [md5.Size]byte

func sumOfCall(call []byte) callSum { return md5.Sum(call) }

// callReader finds the calls in the lines of a file.
type callReader struct{ hash hash.Hash }

// line takes a line and gives the call that ends with it.
func (c *callReader) line(line []byte) (call callSum, ends bool) {
	if bytes.HasPrefix(line, []byte("<call ")) {
		c.hash.Reset()
	}
	c.hash.Write(line)
	if string(line) == "</call>\n" {
		c.hash.Sum(call[:0])
		return call, true
	}
	return call, false
}

// remembered is how many calls can be known again: many more than stand in the
// files while the mark of the cache's cursor, which moves once a second, does
// not know.
const remembered = 4096

// recent are the last calls, as many as remembered at least.
type recent struct{ newer, older map[callSum]struct{} }

func (r *recent) has(call callSum) bool {
	_, newer := r.newer[call]
	_, older := r.older[call]
	return newer || older
}

func (r *recent) add(call callSum) {
	if len(r.newer) >= remembered {
		r.newer, r.older = nil, r.newer
	}
	if r.newer == nil {
		r.newer = map[callSum]struct{}{}
	}
	r.newer[call] = struct{}{}
}

// addAll adds what another one remembers.
func (r *recent) addAll(other recent) {
	for _, calls := range []map[callSum]struct{}{other.older, other.newer} {
		for call := range calls {
			r.add(call)
		}
	}
}
