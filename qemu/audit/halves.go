package audit

import (
	"fmt"
	"slices"
	"strings"

	"causeway/appliance/billing/packetcable"
	"causeway/qemu/lab"
)

// Half is the event messages of a half-call, each once, by their numbers.
type Half struct {
	Direction byte   // packetcable.Originating or Terminating; 0: it has no Signaling_Start
	Number    string // Calling_Party_Number
	Messages  []packetcable.Message
}

// Types are those of its messages.
func (h *Half) Types() []packetcable.MessageType {
	types := make([]packetcable.MessageType, len(h.Messages))
	for i, m := range h.Messages {
		types[i] = m.Header.Type
	}
	return types
}

// Find gives the value of the first attribute of CableLabs of that type in the
// first message of that type.
func (h *Half) Find(t packetcable.MessageType, attribute uint8) (value []byte, found bool) {
	for _, m := range h.Messages {
		if m.Header.Type == t {
			return find(m, attribute)
		}
	}
	return nil, false
}

func find(m packetcable.Message, attribute uint8) (value []byte, found bool) {
	for _, a := range m.Attributes {
		if a.Vendor == packetcable.CableLabs && a.Type == attribute {
			return a.Value, true
		}
	}
	return nil, false
}

// Records is what record keepers have stored.
type Records struct {
	Halves     map[packetcable.BCID]*Half
	Count      int      // messages, each once
	Duplicates int      // messages that were stored again
	Wrong      []string // what does not fit together, a sentence each
}

// identity is what tells messages apart (billing requirements §1.10).
type identity struct {
	element  packetcable.ElementID
	id       packetcable.BCID
	kind     packetcable.MessageType
	sequence uint32
}

// Read takes what the keepers have stored, each of which has all or some of the
// messages. A keeper must have those of a half-call in their order.
func Read(keepers ...[]lab.Stored) (*Records, error) {
	r := &Records{Halves: map[packetcable.BCID]*Half{}}
	known := map[identity]string{}
	for _, keeper := range keepers {
		last := map[packetcable.BCID]uint32{}
		for _, request := range keeper {
			messages, err := request.Messages()
			if err != nil {
				return nil, err
			}
			for _, m := range messages {
				h := m.Header
				id := identity{h.Element, h.BCID, h.Type, h.Sequence}
				octets := string(m.AppendTo(nil))
				if before, again := known[id]; again {
					r.Duplicates++
					if before != octets {
						r.Wrong = append(r.Wrong, fmt.Sprintf("message %d, %s, was sent again with other octets", h.Sequence, h.Type))
					}
					continue
				}
				known[id] = octets
				if last[h.BCID] > h.Sequence {
					r.Wrong = append(r.Wrong, fmt.Sprintf("message %d, %s, of a half-call came behind its message %d", h.Sequence, h.Type, last[h.BCID]))
				}
				last[h.BCID] = h.Sequence
				r.add(m)
			}
		}
	}
	for _, half := range r.Halves {
		slices.SortFunc(half.Messages, func(a, b packetcable.Message) int { return int(a.Header.Sequence) - int(b.Header.Sequence) })
	}
	return r, nil
}

func (r *Records) add(m packetcable.Message) {
	r.Count++
	half := r.Halves[m.Header.BCID]
	if half == nil {
		half = &Half{}
		r.Halves[m.Header.BCID] = half
	}
	half.Messages = append(half.Messages, m)
	if m.Header.Type != packetcable.SignalingStart {
		return
	}
	if direction, _ := find(m, packetcable.TypeDirection); len(direction) == 2 {
		half.Direction = direction[1]
	}
	number, _ := find(m, packetcable.TypeCallingNumber)
	half.Number = strings.TrimLeft(string(number), " ")
}
