package licensed

import "causeway/appliance/license/ela"

// fileValidity is how long a request in a file may be answered.
const fileValidity = 30 * day

// AnswerFile answers a request that came as a file. There is no nonce of the
// server's in it: cnonce and seq tell it from others, and it must not be older
// than 30 days. Faults do not befall files.
func (s *Server) AnswerFile(text []byte) ([]byte, error) {
	r, err := parse(text)
	if err != nil {
		return nil, refuse(ela.BadRequest, err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	log := Exchange{From: "file", Type: r.typ}
	answer, err := s.doFile(r, &log)
	s.record(log, err)
	return answer, err
}

func (s *Server) doFile(r *request, log *Exchange) ([]byte, error) {
	switch made := r.message.common().Time; {
	case r.header.URL != r.path || r.header.Nonce != "":
		return nil, refuse(ela.BadRequest, "a request in a file has url "+r.path+" and no nonce")
	case s.now().Sub(made) > fileValidity:
		return nil, refuse(ela.BadRequest, "the request is of "+made.String()+", more than 30 days ago")
	}
	return s.do(r, nil, log)
}
