package sip

import (
	"bytes"
	"strconv"
	"time"

	"causeway/appliance/sip/message"
)

// feedBack tells a neighbour that understands overload control how much of
// its traffic to keep back (RFC 7339 §4: the answers carry it in its Via).
func (w *worker) feedBack(via *message.Via) {
	percent, sequence, ok := w.p.options.Admission.Feedback()
	if !ok {
		return
	}
	b := w.scratch
	mark := len(b)
	if via.OC.Empty() {
		b = append(b, '=')
	}
	b = strconv.AppendInt(b, int64(percent), 10)
	b = append(b, `;oc-validity=1000;oc-seq=`...)
	b = append(strconv.AppendUint(b, sequence, 10), ".0"...)
	w.prepared = append(w.prepared, message.Edit{At: via.OC, With: b[mark:]})
	w.scratch = b
}

// heeder is an element that keeps calls back when a neighbour asks for it.
type heeder interface {
	Feedback(percent int, validity time.Duration)
}

// defaultValidity is how long advice holds that says nothing else (RFC 7339 §4.3).
const defaultValidity = 500 * time.Millisecond

// heed hands a neighbour's advice, in the Via of its answer, to who chooses
// elements.
func (t *clientTransaction) heed(via *message.Via, m *message.Message) {
	element, wants := t.element.(heeder)
	percent, err := strconv.Atoi(string(m.Get(via.OC)))
	if !wants || err != nil || percent < 0 || percent > 100 || !t.to.listen.network.asks {
		return
	}
	validity := defaultValidity
	if _, rest, found := bytes.Cut(m.Get(via.Value), []byte(";oc-validity=")); found {
		end := bytes.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(rest)
		}
		if ms, err := strconv.Atoi(string(rest[:end])); err == nil && ms <= 3600_000 {
			validity = time.Duration(ms) * time.Millisecond // 0 ends the advice
		}
	}
	element.Feedback(percent, validity)
}
