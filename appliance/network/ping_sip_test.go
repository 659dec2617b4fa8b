package network

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// TestPingSIP types it where servers answer, do not, and are not found.
func TestPingSIP(t *testing.T) {
	const trip = 1234 * time.Microsecond
	synctest.Test(t, func(t *testing.T) {
		ok := model.SIPPingAnswer{Place: "udp 192.0.2.1:5060", Status: 200, Reason: "OK", Trip: trip}
		ctx, cancel := context.WithCancel(t.Context())
		var asked []string
		s := exectest.Session{Answers: map[string]any{"proxy.ping-sip": func(params string) (any, error) {
			asked = append(asked, params)
			switch {
			case strings.Contains(params, "silent"):
				if len(asked) == 2 {
					time.Sleep(model.SIPPingPatience)
					return model.SIPPingAnswer{Place: "tls 192.0.2.2:5061", Problem: "no answer"}, nil
				}
			case strings.Contains(params, "none"):
				return model.SIPPingAnswer{Problem: "none.example.com was not found (show sip dns)"}, nil
			case strings.Contains(params, "long"):
				if len(asked) == 3 {
					cancel()
				}
			case strings.Contains(params, "wrong"):
				return nil, errors.New("too many")
			}
			return ok, nil
		}}}
		var got strings.Builder
		for _, test := range []struct {
			line  string
			asked int
			took  time.Duration
		}{
			{"ping sip 192.0.2.1", 5, 4 * time.Second},
			{"ping sip silent.example.com port 5061 transport tls count 3", 3, 5 * time.Second},
			{"ping sip none.example.com count 1", 1, 0},
			{"ping sip wrong.example.com", 1, 0},
			{"ping sip long.example.com count 1000", 3, 2 * time.Second},
		} {
			asked = nil
			began := time.Now()
			got.WriteString(transcript(ctx, t, observer{}, &s, test.line))
			if took := time.Since(began); len(asked) != test.asked || took != test.took {
				t.Errorf("%s asked %d times in %v; want %d in %v", test.line, len(asked), took, test.asked, test.took)
			}
			got.WriteString("(" + asked[0] + ")\n")
		}
		exectest.Golden(t, "ping-sip", got.String())
	})
}
