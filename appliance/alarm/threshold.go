package alarm

import (
	"causeway/appliance/model"
)

// Reading is one value that was measured for a row with levels. The Text of
// its condition has the figures.
type Reading struct {
	model.Condition
	Percent float64
}

// moved gives the levels with the first one raised at first percent; 0 leaves
// them as they are. The worse ones keep their share of what is left free:
// 80, 90, 95 become 60, 80, 90.
func moved(levels []Level, first int) []Level {
	if first == 0 || len(levels) == 0 {
		return levels
	}
	share := (100 - float64(first)) / (100 - levels[0].Raise)
	var list []Level
	for _, l := range levels {
		raise := 100 - (100-l.Raise)*share
		list = append(list, Level{l.Severity, raise, raise - (l.Raise - l.Clear)})
	}
	return list
}

// judge gives the severity of a value, which had a severity before ("" for
// none). The result is "" when the value is below all levels.
func judge(levels []Level, percent float64, had model.Severity) model.Severity {
	reached := -1
	for i, l := range levels {
		if l.Severity == had {
			reached = i
		}
	}
	for i := len(levels) - 1; i >= 0; i-- {
		if percent >= levels[i].Raise || i <= reached && percent >= levels[i].Clear {
			return levels[i].Severity
		}
	}
	return ""
}
