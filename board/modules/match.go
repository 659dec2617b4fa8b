package modules

import "strings"

// match reports whether s matches the wildcard pattern: * is any run of
// characters, ? any one, [a-f0-9] one of a set, [!…] or [^…] one not of it. A
// [ that is never closed stands for itself. Unlike path.Match, / is a
// character like any other.
//
// Only the last * is ever retried, so the time is at most len(pattern)·len(s).
func match(pattern, s string) bool {
	p, i := 0, 0
	star, resume := -1, 0
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			star, resume = p, i
			p++
			continue
		}
		if n, ok := matchOne(pattern[p:], s[i]); ok {
			p += n
			i++
			continue
		}
		if star < 0 {
			return false
		}
		resume++
		p, i = star+1, resume
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchOne matches c with the head of the pattern and gives the head's length.
func matchOne(pattern string, c byte) (length int, ok bool) {
	switch {
	case pattern == "":
		return 0, false
	case pattern[0] == '?':
		return 1, true
	case pattern[0] == '[':
		if set, negated, length := cutSet(pattern); length > 0 {
			return length, inSet(set, c) != negated
		}
	}
	return 1, pattern[0] == c
}

// cutSet takes the set in brackets off the head of the pattern; length is 0 if
// it is never closed.
func cutSet(pattern string) (set string, negated bool, length int) {
	start := 1
	if strings.HasPrefix(pattern[start:], "!") || strings.HasPrefix(pattern[start:], "^") {
		negated = true
		start++
	}
	if start == len(pattern) {
		return "", false, 0
	}
	// The first character of a set stands for itself, even ].
	end := strings.IndexByte(pattern[start+1:], ']')
	if end < 0 {
		return "", false, 0
	}
	end += start + 1
	return pattern[start:end], negated, end + 1
}

// inSet reports whether c is in the set, the text between [ and ].
func inSet(set string, c byte) bool {
	for len(set) > 0 {
		if len(set) >= 3 && set[1] == '-' {
			if set[0] <= c && c <= set[2] {
				return true
			}
			set = set[3:]
			continue
		}
		if set[0] == c {
			return true
		}
		set = set[1:]
	}
	return false
}
