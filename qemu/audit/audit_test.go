package audit

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"causeway/appliance/billing/packetcable"
	"causeway/qemu/lab"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// heard is a caller's log: a message a second, sent ("S") or received ("R").
func heard(messages ...string) (log []lab.Seen) {
	for n, message := range messages {
		var cseq, line string
		fmt.Sscanf(message[2:], "%s", &cseq)
		line = message[3+len(cseq):]
		log = append(log, lab.Seen{At: start.Add(time.Duration(n) * time.Second), Sent: message[0] == 'S', CallID: "cut-7", CSeq: "1 " + cseq, Start: line})
		if cseq == "BYE" {
			log[n].CSeq = "2 BYE"
		}
	}
	return log
}

var (
	answered = heard("S INVITE INVITE sip:a SIP/2.0", "R INVITE SIP/2.0 100 Trying", "R INVITE SIP/2.0 180 Ringing", "R INVITE SIP/2.0 200 OK",
		"S ACK ACK sip:a SIP/2.0", "S BYE BYE sip:a SIP/2.0", "R BYE SIP/2.0 200 OK")
	busy = heard("S INVITE INVITE sip:a SIP/2.0", "R INVITE SIP/2.0 100 Trying", "R INVITE SIP/2.0 486 Busy Here")
)

// stored is a record keeper with those messages of both half-calls of number
// 157, each type in a request of its own. The cause stands in the one type.
func stored(cause uint32, at packetcable.MessageType, types ...packetcable.MessageType) (requests []lab.Stored) {
	element := packetcable.NewElementID(1)
	for n, kind := range types {
		var request lab.Stored
		for half := range uint32(2) {
			m := packetcable.Message{Header: packetcable.NewHeader(kind, packetcable.NewBCID(start, element, 2|half), element, uint32(2*n)+half, start)}
			if kind == packetcable.SignalingStart {
				m.Attributes = append(m.Attributes, packetcable.Small(packetcable.TypeDirection, uint16(1+half)), packetcable.Number(packetcable.TypeCallingNumber, "157"))
			}
			if kind == at {
				m.Attributes = append(m.Attributes, packetcable.TerminationCause(cause))
			}
			for octets := m.AppendTo(nil); len(octets) > 0; octets = octets[octets[1]:] {
				request.Attributes = append(request.Attributes, lab.StoredAttribute{
					Name: fmt.Sprintf("Attr-26.%d.%d", uint32(octets[4])<<8|uint32(octets[5]), octets[6]), Value: fmt.Sprintf("0x%x", octets[8:octets[1]]),
				})
			}
		}
		requests = append(requests, request)
	}
	return requests
}

// TestCompare shows each fault that there can be.
func TestCompare(t *testing.T) {
	const (
		begin, answer, disconnect, stop = packetcable.SignalingStart, packetcable.CallAnswer, packetcable.CallDisconnect, packetcable.SignalingStop
	)
	whole := stored(16, disconnect, begin, answer, disconnect, stop)
	backwards := slices.Clone(whole)
	slices.Reverse(backwards[2:])
	for name, test := range map[string]struct {
		log        []lab.Seen
		stored     []lab.Stored
		until      time.Time
		lost       int
		duplicates int
		wrong      bool
	}{
		"whole":                      {log: answered, stored: whole},
		"stored twice":               {log: answered, stored: append(slices.Clone(whole), whole...), duplicates: 8},
		"busy":                       {log: busy, stored: stored(17, stop, begin, stop)},
		"wrong cause":                {log: busy, stored: stored(16, stop, begin, stop), wrong: true},
		"no cause":                   {log: busy, stored: stored(17, begin, begin, stop), wrong: true},
		"the end is missing":         {log: answered, stored: whole[:2], lost: 4, wrong: true},
		"the middle is missing":      {log: answered, stored: append(slices.Clone(whole[:1]), whole[2:]...), lost: 6, wrong: true},
		"all is missing":             {log: answered, lost: 8, wrong: true},
		"one too many":               {log: busy, stored: stored(17, stop, begin, answer, stop), lost: 2, wrong: true},
		"out of order":               {log: answered, stored: backwards, wrong: true},
		"another call":               {stored: whole, wrong: true},
		"cut before the end":         {log: answered, stored: whole[:2], until: start.Add(4 * time.Second)},
		"cut, and more was kept":     {log: answered, stored: whole, until: start.Add(4 * time.Second)},
		"cut, and the answer is not": {log: answered, stored: whole[:1], until: start.Add(4 * time.Second), lost: 2, wrong: true},
	} {
		t.Run(name, func(t *testing.T) {
			records, err := Read(test.stored)
			if err != nil {
				t.Fatal(err)
			}
			f := Compare(Calls("15", test.log), records, test.until)
			if f.Lost != test.lost || f.Duplicates != test.duplicates || len(f.Wrong) > 0 != test.wrong {
				t.Errorf("Compare = %+v; want %d lost, %d duplicates, wrong %t", f, test.lost, test.duplicates, test.wrong)
			}
		})
	}
}
