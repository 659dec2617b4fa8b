package tpm

import (
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
)

// ErrForeign says that this TPM has not made a key.
var ErrForeign = errors.New("the key belongs to another TPM, or this one was cleared since: make a new key, and have it certified")

// remedies say what to do about what a TPM answers (TPM 2.0 Library, part 2, §6.6).
// Other answers are faults of ours.
var remedies = []struct {
	answer tpm2.TPMRC
	remedy string
}{
	{tpm2.TPMRCAuthFail, "its owner has a password: clear the TPM in the firmware's set-up"},
	{tpm2.TPMRCBadAuth, "its owner has a password: clear the TPM in the firmware's set-up"},
	{tpm2.TPMRCHierarchy, "its storage is disabled: enable it in the firmware's set-up"},
	{tpm2.TPMRCDisabled, "it is disabled: enable it in the firmware's set-up"},
	{tpm2.TPMRCInitialize, "the firmware has not started it: restart the appliance"},
	{tpm2.TPMRCReboot, "it wants to be started again: restart the appliance"},
	{tpm2.TPMRCFailure, "it has failed its self-test: switch the appliance off and on; if that does not help, replace the TPM"},
	{tpm2.TPMRCUpgrade, "its firmware is being replaced: end that in the firmware's set-up"},
	{tpm2.TPMRCLockout, "it is locked after failed authorisations: wait, or clear the TPM in the firmware's set-up"},
	{tpm2.TPMRCObjectMemory, "it is full of keys: restart the appliance"},
	{tpm2.TPMRCNVRate, "it is busy: try again"},
	{tpm2.TPMRCRetry, "it is busy: try again"},
	{tpm2.TPMRCTesting, "it is busy: try again"},
	{tpm2.TPMRCYielded, "it is busy: try again"},
	{tpm2.TPMRCCurve, "it does not know the curve P-256"},
}

// explain adds what to do.
func explain(err error) error {
	for _, r := range remedies {
		if errors.Is(err, r.answer) {
			return fmt.Errorf("the TPM refused: %s: %w", r.remedy, err)
		}
	}
	return err
}
