package sip

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"

	"causeway/appliance/model"
)

// dialog checks the token of an in-dialog request and gives the call's key and
// whether the request comes from the caller.
func (w *worker) dialog(path *ownPath) (key model.CallKey, fromCaller, ok bool) {
	m := &w.msg
	if key, ok = w.signer.verify(path.token, m.Get(m.CallID), m.Get(m.FromTag), path.peer); ok {
		return key, true, true
	}
	key, ok = w.signer.verify(path.token, m.Get(m.CallID), m.Get(m.ToTag), path.peer)
	return key, false, ok
}

// A token is a call key and a signature over it, the Call-ID, the caller's tag
// and what else the Record-Route element says, in base64url: the request that
// carries it tells which call it is of and, by the place of the tag, who sent it.
const (
	signatureSize = 8
	tokenSize     = len(model.CallKey{}) + signatureSize
	tokenText     = (tokenSize*8 + 5) / 6
)

// signer makes and checks tokens. It belongs to one worker.
type signer struct {
	mac hash.Hash
	sum [sha256.Size]byte
	raw [tokenSize]byte
	end [1]byte // zero: separates what is signed
}

func newSigner(key []byte) *signer { return &signer{mac: hmac.New(sha256.New, key)} }

func (g *signer) sign(key, callID, callerTag, peer []byte) []byte {
	g.mac.Reset()
	g.mac.Write(key)
	g.mac.Write(callID)
	g.mac.Write(g.end[:])
	g.mac.Write(callerTag)
	if peer != nil {
		g.mac.Write(g.end[:])
		g.mac.Write(peer)
	}
	return g.mac.Sum(g.sum[:0])[:signatureSize]
}

// token appends the token of a call to b.
func (g *signer) token(b []byte, key model.CallKey, callID, callerTag, peer []byte) []byte {
	copy(g.raw[:], key[:])
	copy(g.raw[len(key):], g.sign(g.raw[:len(key)], callID, callerTag, peer))
	return base64.RawURLEncoding.AppendEncode(b, g.raw[:])
}

// verify reads a token and says whether it was signed for that call and tag.
func (g *signer) verify(token, callID, callerTag, peer []byte) (key model.CallKey, ok bool) {
	if len(token) != tokenText {
		return key, false
	}
	if _, err := base64.RawURLEncoding.Decode(g.raw[:], token); err != nil {
		return key, false
	}
	copy(key[:], g.raw[:])
	return key, subtle.ConstantTimeCompare(g.raw[len(key):], g.sign(g.raw[:len(key)], callID, callerTag, peer)) == 1
}
