// Package halfcall is the Billing Manager of the source documents (seed 003): it
// makes records of call events.
//
// In come the call events of the journal, in their order, each with its number;
// out go event messages (PacketCable) and XML call records, each made once and
// final. The open calls are a pure fold of the events and the settings: there
// is no clock, no chance and no order of a map in what is emitted, so that a
// fold repeated from a snapshot ([Manager.AppendState]) gives the same records
// again, but for their Sequence_Numbers.
//
// A call is two half-calls: upstream with the caller, downstream with the
// callee, whatever the forks. The messages of each, in their order:
//
//	Signaling_Start   when the call is sent on, or ends without that; with the time of its
//	                  own event. Only then call admission control has said who bills the call.
//	                  A call that is never sent on has no downstream half.
//	QoS_Reserve       when offer and answer are known, until the call is answered
//	Call_Answer
//	QoS_Commit        of each stream at the answer, of changed and new ones later
//	Call_Disconnect   with the cause
//	QoS_Release       of a stream that is switched off, of all at the end
//	Signaling_Stop    with the cause, if the call was not answered
//
// The branch that counts is the one whose final response the caller gets; where
// that is one of the proxy's own, the last one tried. The last CallRouted or the
// CallAnswered names it. A method that bills a branch tried before and not the
// one that answered closes what it began there, as a call that was not answered.
//
// QoS messages are made of what session descriptions say, with "cdr media-info".
// One stream is one service flow in each half-call, with the half's own
// direction. Local is what the party of the half-call was told, Remote what it
// said itself. A Remote behind NAT is zero in QoS_Commit; since no media pass
// through the box, QoS_Release has what was said last, and no statistics.
//
// It meets billing requirements §1.4, §1.5, §1.8, §1.9, §2 and the sections of
// seed 003 on termination codes, timestamps, endpoint information, media
// information and selective billing.
package halfcall
