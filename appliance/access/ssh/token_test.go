package ssh

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"slices"
	"testing"

	"golang.org/x/crypto/ssh"
)

// token is a security key as ssh-keygen -t ed25519-sk uses one
// (PROTOCOL.u2f of OpenSSH).
type token struct {
	public  ssh.PublicKey
	private ed25519.PrivateKey
	flags   byte // 1: somebody has touched it
}

const application = "ssh:"

// newToken makes a security key that gives these flags.
func newToken(t *testing.T, flags byte) token {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Type        string
		Public      []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, application}))
	if err != nil {
		t.Fatal(err)
	}
	return token{key, private, flags}
}

func (k token) PublicKey() ssh.PublicKey { return k.public }

func (k token) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	asked, signed := sha256.Sum256([]byte(application)), sha256.Sum256(data)
	about := binary.BigEndian.AppendUint32([]byte{k.flags}, 1) // and how often it has signed
	return &ssh.Signature{
		Format: ssh.KeyAlgoSKED25519,
		Blob:   ed25519.Sign(k.private, slices.Concat(asked[:], about, signed[:])),
		Rest:   about,
	}, nil
}
