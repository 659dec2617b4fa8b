package ela

import (
	"bytes"
	"time"
)

// FileAge is how long a request in a file may be answered.
const FileAge = 30 * 24 * time.Hour

// File is a request for a file (RequestFile): signed for its path alone, without
// a nonce of the server.
func (r Request) File(s Signer) ([]byte, error) { return r.Sign(s, r.Path, "") }

// ReadFile gives the answer in a file (ReplyFile) to a request that was written
// to one, to be opened as any other. A server that refuses answers with its
// problem: that is a *ProblemError.
func ReadFile(file []byte, o Outstanding, now time.Time) ([]byte, error) {
	if len(file) > MaxMessage {
		return nil, ErrTooLong
	}
	if problem := parseProblem(file); problem.Type != "" {
		return nil, &ProblemError{Problem: problem}
	}
	if now.Sub(o.Time) > FileAge {
		return nil, ErrRequestAge
	}
	return bytes.TrimSpace(file), nil
}
