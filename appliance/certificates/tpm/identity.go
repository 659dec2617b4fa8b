package tpm

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/google/go-tpm/tpm2"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Methods are what the link answers of the TPM; of none nothing.
func (t *TPM) Methods() link.Methods {
	if t == nil {
		return nil
	}
	return link.Methods{
		"control.tpm": func(context.Context) (model.TPM, error) { return t.Identity() },
	}
}

// Identity asks the TPM what it is.
func (t *TPM) Identity() (model.TPM, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, err := t.open()
	if err != nil {
		return model.TPM{}, fmt.Errorf("ask the TPM what it is: %w", err)
	}
	defer c.Close()
	const first, last = tpm2.TPMPTFamilyIndicator, tpm2.TPMPTFirmwareVersion2
	answer, err := tpm2.GetCapability{
		Capability: tpm2.TPMCapTPMProperties, Property: uint32(first), PropertyCount: uint32(last - first + 1),
	}.Execute(c)
	if err != nil {
		return model.TPM{}, fmt.Errorf("ask the TPM what it is: %w", explain(err))
	}
	properties, err := answer.CapabilityData.Data.TPMProperties()
	if err != nil {
		return model.TPM{}, fmt.Errorf("ask the TPM what it is: %w", err)
	}
	value := map[tpm2.TPMPT]uint32{}
	for _, property := range properties.TPMProperty {
		value[property.Property] = property.Value
	}
	return identity(value), nil
}

// identity reads properties (TPM 2.0 Library, part 2, §6.13).
func identity(value map[tpm2.TPMPT]uint32) model.TPM {
	text := func(properties ...tpm2.TPMPT) string {
		var b []byte
		for _, p := range properties {
			b = binary.BigEndian.AppendUint32(b, value[p])
		}
		return strings.TrimSpace(strings.Map(printable, string(b)))
	}
	firmware := func(p tpm2.TPMPT) string { return fmt.Sprintf("%d.%d", value[p]>>16, value[p]&0xffff) }
	revision := value[tpm2.TPMPTRevision] // in hundredths
	return model.TPM{
		Manufacturer: text(tpm2.TPMPTManufacturer),
		Model:        text(tpm2.TPMPTVendorString1, tpm2.TPMPTVendorString2, tpm2.TPMPTVendorString3, tpm2.TPMPTVendorString4),
		Firmware:     firmware(tpm2.TPMPTFirmwareVersion1) + "." + firmware(tpm2.TPMPTFirmwareVersion2),
		Revision:     fmt.Sprintf("%d.%02d", revision/100, revision%100),
	}
}

// printable drops what is not: identifiers are filled with zeros.
func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}
