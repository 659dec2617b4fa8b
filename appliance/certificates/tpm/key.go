package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// key is a crypto.Signer whose private half the TPM alone can use.
type key struct {
	tpm     *TPM
	point   *ecdsa.PublicKey
	public  []byte // TPMT_PUBLIC
	private []byte // what a TPM2B_PRIVATE holds: encrypted by the TPM
}

// Public gives the public key, an *ecdsa.PublicKey.
func (k *key) Public() crypto.PublicKey { return k.point }

// signatureSize is what a signature of P-256 is of, in octets: of a longer digest
// ECDSA takes the first ones (FIPS 186-5 §6.4.1).
const signatureSize = 32

// Sign signs a digest of SHA-256 or longer, in ASN.1 as ecdsa.SignASN1 does. The
// random numbers are the TPM's own.
func (k *key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	if hash := opts.HashFunc(); hash == 0 || len(digest) != hash.Size() || len(digest) < signatureSize {
		return nil, fmt.Errorf("sign with a key of the TPM: %d octets are no digest of %v", len(digest), hash)
	}
	err = k.tpm.do("sign with a key of the TPM", func(c transport.TPM, parent tpm2.NamedHandle) error {
		return k.with(c, parent, func(loaded tpm2.NamedHandle) error {
			signature, err = sign(c, loaded, digest[:signatureSize])
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	// What comes over the bus is not believed: a wrong signature may betray its key.
	if !ecdsa.VerifyASN1(k.point, digest, signature) {
		return nil, errors.New("sign with a key of the TPM: its signature is wrong")
	}
	return signature, nil
}

// with runs f while the key is in the TPM.
func (k *key) with(c transport.TPM, parent tpm2.NamedHandle, f func(tpm2.NamedHandle) error) error {
	loaded, err := tpm2.Load{
		ParentHandle: parent,
		InPrivate:    tpm2.TPM2BPrivate{Buffer: k.private},
		InPublic:     tpm2.BytesAs2B[tpm2.TPMTPublic](k.public),
	}.Execute(c)
	if errors.Is(err, tpm2.TPMRCIntegrity) {
		return fmt.Errorf("%w: %w", ErrForeign, err)
	}
	if err != nil {
		return err
	}
	defer flush(c, loaded.ObjectHandle)
	return f(tpm2.NamedHandle{Handle: loaded.ObjectHandle, Name: loaded.Name})
}

// sign signs the first octets of a digest. They are passed as one of SHA-256
// whatever made them: every TPM knows that, and the signature is the same.
func sign(c transport.TPM, key tpm2.NamedHandle, digest []byte) ([]byte, error) {
	signed, err := tpm2.Sign{
		KeyHandle: key,
		Digest:    tpm2.TPM2BDigest{Buffer: digest},
		InScheme: tpm2.TPMTSigScheme{
			Scheme:  tpm2.TPMAlgECDSA,
			Details: tpm2.NewTPMUSigScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSchemeHash{HashAlg: tpm2.TPMAlgSHA256}),
		},
		Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck, Hierarchy: tpm2.TPMRHNull},
	}.Execute(c)
	if err != nil {
		return nil, err
	}
	signature, err := signed.Signature.Signature.ECDSA()
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct{ R, S *big.Int }{
		new(big.Int).SetBytes(signature.SignatureR.Buffer),
		new(big.Int).SetBytes(signature.SignatureS.Buffer),
	})
}

// publicArea describes our keys: made in the TPM, bound to it and to the storage root
// key, for signatures of any scheme. Failed authorisations elsewhere do not lock them.
func publicArea(point tpm2.TPMSECCPoint) tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type:    tpm2.TPMAlgECC,
		NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{
			FixedTPM:            true,
			FixedParent:         true,
			SensitiveDataOrigin: true,
			UserWithAuth:        true,
			NoDA:                true,
			SignEncrypt:         true,
		},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: tpm2.TPMECCNistP256}),
		Unique:     tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &point),
	}
}
