package ela

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-jose/go-jose/v4/json"
)

// maxRetryAfter is the longest that a server can keep a box from trying again:
// what it says is not signed.
const maxRetryAfter = 24 * time.Hour

// ProblemError is that the server, or somebody on the way, does not do what it
// was asked.
type ProblemError struct {
	Problem
	RetryAfter time.Duration // not to try again before; 0: nothing was said
}

func (e *ProblemError) Error() string {
	text := fmt.Sprintf("the licence server refuses: %s", e.Type)
	if e.Status != 0 {
		text += fmt.Sprintf(" (%d)", e.Status)
	}
	for _, more := range []string{e.Title, e.Detail} {
		if more != "" {
			text += ": " + more
		}
	}
	return text
}

// problemOf makes a problem of an answer of HTTP that is none to the request.
func problemOf(response *http.Response, body []byte, now time.Time) *ProblemError {
	e := &ProblemError{Problem: parseProblem(body)}
	if e.Type == "" {
		e.Problem = Problem{Type: ServerFault, Title: printable(response.Status)}
	}
	e.Status = response.StatusCode
	if e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable {
		e.RetryAfter = retryAfter(response.Header.Get("Retry-After"), now)
	}
	return e
}

// parseProblem reads a problem (RFC 9457); that without a type is none.
func parseProblem(body []byte) (p Problem) {
	if json.Unmarshal(body, &p) != nil {
		return Problem{}
	}
	p.Type, p.Title, p.Detail = printable(p.Type), printable(p.Title), printable(p.Detail)
	return p
}

// printable is text of strangers that terminals and logs can take.
func printable(text string) string {
	const most = 200
	text = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// retryAfter reads seconds or a date (RFC 9110 §10.2.3).
func retryAfter(text string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(text); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
