package access

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// keyTypes are the public keys that users may log in with. DSA is not among
// them, and RSA is as long as rsaMin says.
var keyTypes = config.Choice{
	ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSA,
	ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
}

const (
	rsaMin     = 3072 // bits: what the SSH server takes
	keyMax     = 2800 // characters: RSA of 16384 bits
	commentMax = 100  // octets
)

// userKeys takes a line of an authorized_keys file (sshd(8)) without its
// options, as ssh-keygen prints it.
var userKeys = config.Command{
	Mode: config.Global, Syntax: "username USER key TYPE KEY [COMMENT]", No: "username USER key TYPE KEY [COMMENT]",
	Args: []config.Argument{
		userArg,
		{Name: "TYPE", Type: keyTypes, Help: "Type of the key, as its file begins"},
		{Name: "KEY", Type: config.Word{Max: keyMax}, Help: "The public key in base64"},
		{Name: "COMMENT", Type: config.Line{}, Help: "Whose key it is, to know it again"},
	},
	Help: "Have a user log in with an SSH key",
	Apply: func(c *model.Config, a config.Args) error {
		u, err := userOf(c, a)
		if err != nil {
			return err
		}
		if len(a.Text("COMMENT")) > commentMax {
			return config.BadArgument("COMMENT", "it has more than %d octets", commentMax)
		}
		key := keyOf(a)
		if err := checkKey(a.Text("TYPE"), a.Text("KEY")); err != nil {
			return config.BadArgument("KEY", "%v", err)
		}
		if i := findKey(u, key); i >= 0 {
			u.Keys[i] = key // with another comment
			return nil
		}
		if len(u.Keys) == keysMax {
			return fmt.Errorf("%s can have no more than %d keys", u.Name, keysMax)
		}
		u.Keys = append(u.Keys, key)
		return nil
	},
	Negate: func(c *model.Config, a config.Args) error {
		u, err := userOf(c, a)
		if err != nil {
			return err
		}
		i := findKey(u, keyOf(a))
		if i < 0 {
			return config.BadArgument("KEY", "%s has no such key", u.Name)
		}
		u.Keys = slices.Delete(u.Keys, i, i+1)
		return nil
	},
	Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
		for _, u := range c.Access.Users {
			for _, key := range u.Keys {
				typ, rest, _ := strings.Cut(key, " ")
				key, comment, commented := strings.Cut(rest, " ")
				line := config.Args{"USER": u.Name, "TYPE": typ, "KEY": key}
				if commented {
					line["COMMENT"] = comment
				}
				lines = append(lines, line)
			}
		}
		return lines
	},
}

// keyOf is the key of a line as model.User has it.
func keyOf(a config.Args) string {
	return strings.TrimSpace(a.Text("TYPE") + " " + a.Text("KEY") + " " + a.Text("COMMENT"))
}

// keyBlob is type and octets of a key, without its comment.
func keyBlob(key string) string {
	words := strings.SplitN(key, " ", 3)
	return strings.Join(words[:min(2, len(words))], " ")
}

func findKey(u *model.User, key string) int {
	return slices.IndexFunc(u.Keys, func(k string) bool { return keyBlob(k) == keyBlob(key) })
}

// checkKey says what is wrong with a public key of the type.
func checkKey(typ, encoded string) error {
	blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return errors.New("this is not the base64 of a key")
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil || key.Type() != typ {
		return fmt.Errorf("this is not a public key of type %s", typ)
	}
	if k, ok := key.(ssh.CryptoPublicKey); ok {
		if public, ok := k.CryptoPublicKey().(*rsa.PublicKey); ok && public.N.BitLen() < rsaMin {
			return fmt.Errorf("a key of RSA has at least %d bits, this one has %d", rsaMin, public.N.BitLen())
		}
	}
	return nil
}
