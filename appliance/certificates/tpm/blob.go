package tpm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/google/go-tpm/tpm2"
)

// A blob is the magic with the version in its last octet, the key as the TPM
// itself writes it (TPM2B_PUBLIC, TPM2B_PRIVATE: two octets of length before
// each, big-endian) and the CRC-32C of all that. The checksum tells a damaged file
// from a foreign key; against forgery the TPM protects its keys itself.
const (
	magic    = "TPMkey\x00\x01"
	checksum = 4 // octets
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrDamaged says that octets are no blob, or have changed since they were one.
var ErrDamaged = errors.New("what was kept of the key is damaged")

// blob is the key as Load wants it.
func (k *key) blob() []byte {
	b := []byte(magic)
	for _, area := range [][]byte{k.public, k.private} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(area)))
		b = append(b, area...)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// parse takes a blob apart. The key still wants its TPM.
func parse(blob []byte) (*key, error) {
	body, known := bytes.CutPrefix(blob, []byte(magic))
	if !known || len(body) < checksum {
		return nil, fmt.Errorf("%w: it does not begin as a key of this version does", ErrDamaged)
	}
	end := len(blob) - checksum
	if crc32.Checksum(blob[:end], castagnoli) != binary.BigEndian.Uint32(blob[end:]) {
		return nil, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
	}
	public, rest, whole := cutArea(body[:len(body)-checksum])
	private, rest, alsoWhole := cutArea(rest)
	if !whole || !alsoWhole || len(rest) != 0 {
		return nil, fmt.Errorf("%w: its parts are not what their lengths say", ErrDamaged)
	}
	point, err := publicKey(public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return &key{point: point, public: bytes.Clone(public), private: bytes.Clone(private)}, nil
}

// cutArea takes the first of the areas off.
func cutArea(b []byte) (area, rest []byte, whole bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	length := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; len(b) < length {
		return nil, nil, false
	}
	return b[:length], b[length:], true
}

// publicKey reads a public area (TPMT_PUBLIC), which must be one of our keys.
func publicKey(area []byte) (*ecdsa.PublicKey, error) {
	public, err := tpm2.Unmarshal[tpm2.TPMTPublic](area)
	if err != nil {
		return nil, fmt.Errorf("read the public area: %w", err)
	}
	point, err := public.Unique.ECC()
	if err != nil {
		return nil, fmt.Errorf("read the public area: %w", err)
	}
	if !bytes.Equal(area, tpm2.Marshal(publicArea(*point))) {
		return nil, errors.New("it is no ECDSA key of P-256 that is bound to a TPM")
	}
	const size = 32 // of a coordinate, in octets; a TPM may leave leading zeros out
	encoded := make([]byte, 1+2*size)
	encoded[0] = 4 // uncompressed (SEC 1 §2.3.3)
	for i, coordinate := range [][]byte{point.X.Buffer, point.Y.Buffer} {
		if len(coordinate) > size {
			return nil, fmt.Errorf("a coordinate of its public key has %d octets", len(coordinate))
		}
		copy(encoded[1+(i+1)*size-len(coordinate):], coordinate)
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), encoded)
}
