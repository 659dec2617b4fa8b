package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"causeway/appliance/model"
)

// Ranges is a list of numbers from Min to Max with commas and hyphens: "1,3-5".
// A range may go over the end: of months, 11-2 is November to February. Its
// value is an []int, rising.
type Ranges struct {
	Min, Max int
	Words    []string // typed and printed instead of the numbers from Min on; nil: the numbers are
}

// Weekdays are the days of the week, 0 for Sunday.
var Weekdays = Ranges{0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}

// Parse reads a list.
func (t Ranges) Parse(word string) (any, error) {
	set := make([]bool, t.Max+1)
	for part := range strings.SplitSeq(word, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, ok := t.number(from)
		last := first
		if isRange && ok {
			last, ok = t.number(to)
		}
		if !ok {
			return nil, fmt.Errorf("%s is not a list of %s to %s such as %s", word, t.word(t.Min), t.word(t.Max), t.Format([]int{t.Min, t.Max - 1, t.Max}))
		}
		for n := first; ; n++ {
			if n > t.Max {
				n = t.Min
			}
			set[n] = true
			if n == last {
				break
			}
		}
	}
	var numbers []int
	for n, in := range set {
		if in {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// number is what one word of the list stands for.
func (t Ranges) number(word string) (n int, ok bool) {
	if t.Words != nil {
		i := slices.IndexFunc(t.Words, func(w string) bool { return strings.EqualFold(w, word) })
		return t.Min + i, i >= 0
	}
	n, err := strconv.Atoi(word)
	return n, err == nil && t.Min <= n && n <= t.Max && strconv.Itoa(n) == word
}

// word is a number as it is printed.
func (t Ranges) word(n int) string {
	if t.Words != nil {
		return t.Words[n-t.Min]
	}
	return strconv.Itoa(n)
}

// Format prints the shortest list.
func (t Ranges) Format(value any) string {
	numbers, _ := value.([]int)
	var parts []string
	for i := 0; i < len(numbers); {
		last := i
		for last+1 < len(numbers) && numbers[last+1] == numbers[last]+1 {
			last++
		}
		part := t.word(numbers[i])
		switch {
		case last == i+1:
			part += "," + t.word(numbers[last])
		case last > i:
			part += "-" + t.word(numbers[last])
		}
		parts = append(parts, part)
		i = last + 1
	}
	return strings.Join(parts, ",")
}

// String gives the bounds.
func (t Ranges) String() string { return fmt.Sprintf("RANGES<%s-%s>", t.word(t.Min), t.word(t.Max)) }

// Known gives the words, for completion.
func (t Ranges) Known() []string { return t.Words }

// Numbers gives the value of a Ranges.
func (a Args) Numbers(name string) []int { return value[[]int](a, name) }

// StatusCodes is a piece of a list of SIP status codes, 300 to 699. An argument
// of this type is to be repeated: CUSP writes "500 - 503 , 504", and without
// the blanks it is one word. Args.Codes puts the pieces together.
type StatusCodes struct{}

// codeRangesMax is the most ranges that one list has.
const codeRangesMax = 32

// Parse reads a piece.
func (StatusCodes) Parse(word string) (any, error) {
	for number := range strings.FieldsFuncSeq(word, isCodeMark) {
		if code, err := strconv.Atoi(number); err != nil || code < 300 || code > 699 || len(number) != 3 {
			return nil, fmt.Errorf("%s is not a list of status codes from 300 to 699 such as 500-503,504", word)
		}
	}
	return word, nil
}

func isCodeMark(r rune) bool { return r == '-' || r == ',' }

// Format prints the piece.
func (StatusCodes) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (StatusCodes) String() string { return "CODE[-CODE][,CODE...]" }

// Codes gives the value of a repeated StatusCodes.
func (a Args) Codes(name string) ([]model.CodeRange, error) {
	var text strings.Builder
	for _, piece := range value[[]any](a, name) {
		text.WriteString(piece.(string) + " ")
	}
	list := strings.ReplaceAll(text.String(), " ", "")
	var codes []model.CodeRange
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		if len(from) != 3 || len(to) != 3 {
			return nil, BadArgument(name, "%s is not a list such as 500-503,504", strings.TrimSpace(text.String()))
		}
		if to < from {
			return nil, BadArgument(name, "the range %s ends before it begins", part)
		}
		first, _ := strconv.Atoi(from) // StatusCodes let nothing else through
		last, _ := strconv.Atoi(to)
		codes = append(codes, model.CodeRange{From: first, To: last})
	}
	if len(codes) > codeRangesMax {
		return nil, BadArgument(name, "there can be no more than %d ranges", codeRangesMax)
	}
	return codes, nil
}

// CodesValue makes the value of a repeated StatusCodes: one piece, or nil.
func CodesValue(codes []model.CodeRange) any {
	if codes == nil {
		return nil
	}
	var parts []string
	for _, r := range codes {
		part := strconv.Itoa(r.From)
		if r.To != r.From {
			part += "-" + strconv.Itoa(r.To)
		}
		parts = append(parts, part)
	}
	return []any{strings.Join(parts, ",")}
}
