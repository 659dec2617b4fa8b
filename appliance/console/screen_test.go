package console_test

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// screen is a terminal as far as a session drives one: what stands on it after
// all that was written. It may be written to from several goroutines.
type screen struct {
	mu          sync.Mutex
	rows        [][]rune
	row, column int
	unread      string // the beginning of a sequence or character
	plain       bool   // a line feed begins a new row, as in a file
}

// Write prints text.
func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread += string(text)
	for s.unread != "" {
		n := s.obey(s.unread)
		if n == 0 {
			break
		}
		s.unread = s.unread[n:]
	}
	return len(text), nil
}

// obey does what the beginning of text says, and gives its length; 0 when more
// has to come.
func (s *screen) obey(text string) int {
	switch text[0] {
	case '\r':
		s.column = 0
		return 1
	case '\n':
		s.row++
		if s.plain {
			s.column = 0
		}
		return 1
	case '\x1b':
		end := strings.IndexFunc(text, func(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' })
		if end < 0 {
			return 0
		}
		s.sequence(text[:end], text[end])
		return end + 1
	}
	if !utf8.FullRuneInString(text) {
		return 0
	}
	r, size := utf8.DecodeRuneInString(text)
	s.put(r)
	return size
}

// sequence moves the cursor or erases the rest of the row.
func (s *screen) sequence(text string, final byte) {
	count, err := strconv.Atoi(strings.TrimPrefix(text, "\x1b["))
	if err != nil {
		count = 1
	}
	switch final {
	case 'A':
		s.row = max(0, s.row-count)
	case 'B':
		s.row += count
	case 'C':
		s.column += count
	case 'D':
		s.column = max(0, s.column-count)
	case 'K':
		for column := s.column; s.row < len(s.rows) && column < len(s.rows[s.row]); column++ {
			s.rows[s.row][column] = ' '
		}
	}
}

func (s *screen) put(r rune) {
	for len(s.rows) <= s.row {
		s.rows = append(s.rows, nil)
	}
	row := s.rows[s.row]
	if missing := s.column + 1 - len(row); missing > 0 {
		row = append(row, slices.Repeat([]rune{' '}, missing)...)
	}
	row[s.column] = r
	s.rows[s.row] = row
	s.column++
}

// lastRow is the row of the cursor.
func (s *screen) lastRow() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.row >= len(s.rows) {
		return ""
	}
	return string(s.rows[s.row])
}

// String is what stands on the screen, without blanks at the ends of rows.
func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var text strings.Builder
	for _, row := range s.rows {
		text.WriteString(strings.TrimRight(string(row), " ") + "\n")
	}
	return text.String()
}
