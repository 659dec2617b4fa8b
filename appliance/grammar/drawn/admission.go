package drawn

import (
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// admission draws who may call.
func admission(t *rapid.T) model.Admission {
	a := model.Admission{
		CPSImmediate:     rapid.Bool().Draw(t, "immediate"),
		CPSEqual:         rapid.Bool().Draw(t, "equal"),
		CPSCode500:       rapid.Bool().Draw(t, "code 500"),
		CallRate:         rapid.OneOf(rapid.Just(0), rapid.IntRange(1, 10_000)).Draw(t, "call rate"),
		EmergencyCounted: rapid.Bool().Draw(t, "emergency calls count"),
		EmergencyNumbers: rapid.SliceOfNDistinct(rapid.StringMatching(`[+*#]?[0-9]{1,20}`), 0, 4, rapid.ID).Draw(t, "emergency numbers"),
		FailedCallsLog:   rapid.Bool().Draw(t, "log"),
		SourceRate:       rapid.OneOf(rapid.Just(0), rapid.IntRange(1, 1_000_000)).Draw(t, "source rate"),
	}
	if len(a.EmergencyNumbers) == 0 || slices.Equal(a.EmergencyNumbers, []string{"112", "911"}) {
		a.EmergencyNumbers = nil
	}
	a.Denied = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) netip.Prefix {
		source := address.Draw(t, "address")
		return netip.PrefixFrom(source, rapid.IntRange(0, source.BitLen()).Draw(t, "length")).Masked()
	}), 0, 3, rapid.ID).Draw(t, "denied")
	if len(a.Denied) == 0 {
		a.Denied = nil
	}
	return a
}
