package xmlcdr

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"io"
	"regexp"
)

// scanned is what stands in a file.
type scanned struct {
	calls  int   // whole ones, up to the first that is not
	whole  int64 // octets up to the end of the last of them
	torn   int64 // octets behind them
	hidden int   // ends of calls among those
	err    error // of reading
}

// damaged reports whether there is more behind the whole calls than what a cut
// leaves of a write.
func (s *scanned) damaged() bool { return s.hidden > 0 || s.err != nil }

// maxCall bounds a call in a file, in octets.
const maxCall = 1 << 20

const callEnd = "</call>\n"

// beginning is what a file begins with.
var beginning = regexp.MustCompile(`^<\?xml version="1\.0" encoding="UTF-8"\?>\n<recordfile sbc="[^"<&]*">\n$`)

// scan reads a file and gives the BCID of each whole call to seen: octets that
// end with callEnd and are sound.
func scan(in io.Reader, sound func(call []byte) bool, seen func(bcid string)) (s scanned) {
	r := bufio.NewReaderSize(in, maxCall)
	var unit []byte // lines of the beginning, then of a call
	for broken := false; ; {
		line, err := r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			s.torn += int64(len(unit) + len(line))
			if err != io.EOF {
				s.err = err
			}
			return s
		}
		end := string(line) == callEnd
		if !broken {
			unit = append(unit, line...)
			switch {
			case s.whole == 0 && beginning.Match(unit):
				s.whole, unit = int64(len(unit)), unit[:0]
				continue
			case s.whole > 0 && end && sound(unit):
				seen(bcidOf(unit))
				s.calls++
				s.whole, unit = s.whole+int64(len(unit)), unit[:0]
				continue
			case !end && len(unit) < maxCall:
				continue
			}
			broken, line, unit = true, unit, nil
		}
		s.torn += int64(len(line))
		if end {
			s.hidden++
		}
	}
}

// wellFormed reports whether what ends with callEnd is one call.
func wellFormed(call []byte) bool {
	if !bytes.HasPrefix(call, []byte("<call ")) {
		return false
	}
	for decoder := xml.NewDecoder(bytes.NewReader(call)); ; {
		if _, err := decoder.Token(); err != nil {
			return err == io.EOF
		}
	}
}

// bcidOf is the BCID of a call, empty if it has none.
func bcidOf(call []byte) string {
	tag, _, _ := bytes.Cut(call, []byte("\n"))
	_, rest, _ := bytes.Cut(tag, []byte(` bcid="`))
	bcid, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(bcid)
}

// remembered is how many calls can be known again: many more than stand in the
// files while the cache's cursor, which is written once a second, does not know.
const remembered = 4096

// recent are the BCIDs of the last calls, as many as remembered at least.
type recent struct{ newer, older map[string]struct{} }

func (r *recent) has(bcid string) bool {
	_, newer := r.newer[bcid]
	_, older := r.older[bcid]
	return newer || older
}

// add adds the BCID of a call, if it has one.
func (r *recent) add(bcid string) {
	if bcid == "" {
		return
	}
	if len(r.newer) >= remembered {
		r.newer, r.older = nil, r.newer
	}
	if r.newer == nil {
		r.newer = map[string]struct{}{}
	}
	r.newer[bcid] = struct{}{}
}

func (r *recent) addAll(other recent) {
	for _, calls := range []map[string]struct{}{other.older, other.newer} {
		for bcid := range calls {
			r.add(bcid)
		}
	}
}
