package lab

import (
	"fmt"
	"strconv"
	"strings"
)

// Statistics is SIPp's own account of a run, over all of it.
type Statistics struct {
	Created         int // calls begun
	Succeeded       int // calls that went as the scenario has it
	Failed          int
	Retransmissions int // messages that SIPp had to send again
	OutOfCall       int // messages that belonged to no call: a reply that came twice
}

// parseStatistics reads the file that SIPp's -trace_stat writes: a line of
// names, then a line of values a second; the last one counts.
func parseStatistics(text string) (Statistics, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) < 2 {
		return Statistics{}, fmt.Errorf("SIPp's statistics have %d lines; want the names and the values", len(lines))
	}
	values := make(map[string]string)
	last := strings.Split(lines[len(lines)-1], ";")
	for i, name := range strings.Split(lines[0], ";") {
		if i < len(last) {
			values[name] = last[i]
		}
	}
	var s Statistics
	for _, field := range []struct {
		name string
		into *int
	}{
		{"TotalCallCreated", &s.Created},
		{"SuccessfulCall(C)", &s.Succeeded},
		{"FailedCall(C)", &s.Failed},
		{"Retransmissions(C)", &s.Retransmissions},
		{"OutOfCallMsgs(C)", &s.OutOfCall},
	} {
		n, err := strconv.Atoi(values[field.name])
		if err != nil {
			return Statistics{}, fmt.Errorf("SIPp's statistics: %s: %w", field.name, err)
		}
		*field.into = n
	}
	return s, nil
}
