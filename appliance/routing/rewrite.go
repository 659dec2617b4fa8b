package routing

import (
	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// rewrite is a normalisation stage. What is private goes last, since a policy
// may have written it.
func (w *walk) rewrite(b []byte, stage model.TriggerKind) []byte {
	n := w.plan.normalizer
	var changed []byte
	if t := w.trigger(stage); t != nil && t.policy != "" {
		changed = n.Apply(b, t.policy, w.in, w.out)
	}
	switch {
	case stage != model.TriggerPostNormalization || !w.plan.privacy:
		return changed
	case changed == nil:
		return n.Privacy(b, w.in, w.out)
	case !w.again(changed[len(b):]):
		return changed
	}
	hidden := n.Privacy(changed, w.second, w.out)
	if hidden == nil {
		return changed
	}
	return append(changed[:len(b)], hidden[len(changed):]...)
}

// again makes w.second the message as it is after a change. That it cannot be
// read means that a policy has spoilt it.
func (w *walk) again(raw []byte) bool {
	if w.second == nil {
		w.second = &hop.Incoming{Message: new(message.Message)}
	}
	m := w.second.Message
	*w.second = *w.in
	w.second.Message = m
	if m.Parse(raw) != nil {
		return false
	}
	if m.IsResponse {
		return true
	}
	var err error
	w.second.URI, err = message.ParseURI(m.Raw, m.URI)
	return err == nil
}
