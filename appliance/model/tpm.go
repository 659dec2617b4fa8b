package model

// TPM is what a TPM says of itself; the answer of control.tpm.
type TPM struct {
	Manufacturer string `json:"manufacturer"` // up to 4 characters: "IFX", "STM"
	Model        string `json:"model"`        // up to 16 characters
	Firmware     string `json:"firmware"`     // four numbers with dots between
	Revision     string `json:"revision"`     // of the TPM 2.0 Library: "1.59"
}
