package lab

import (
	"strings"
	"testing"
)

const statisticsFile = "StartTime;TotalCallCreated;SuccessfulCall(P);SuccessfulCall(C);FailedCall(C);Retransmissions(C);OutOfCallMsgs(C);\n" +
	"2026-11-22;1;1;1;0;0;0;\n" +
	"2026-11-22;5;2;3;2;4;1;\n"

func TestParseStatistics(t *testing.T) {
	got, err := parseStatistics(statisticsFile)
	if want := (Statistics{Created: 5, Succeeded: 3, Failed: 2, Retransmissions: 4, OutOfCall: 1}); err != nil || got != want {
		t.Errorf("parseStatistics = %+v, %v; want %+v", got, err, want)
	}
	for name, text := range map[string]string{
		"empty":            "",
		"names only":       strings.SplitAfter(statisticsFile, "\n")[0],
		"cut off":          statisticsFile[:len(statisticsFile)-9],
		"unknown":          "a;b\n1;2\n",
		"not a number":     strings.ReplaceAll(statisticsFile, ";5;", ";five;"),
		"column is absent": strings.ReplaceAll(statisticsFile, "FailedCall", "Failed"),
	} {
		if got, err := parseStatistics(text); err == nil {
			t.Errorf("parseStatistics(%s) = %+v; want an error", name, got)
		}
	}
}

func FuzzParseStatistics(f *testing.F) {
	f.Add(statisticsFile)
	f.Add("a\nb")
	f.Add(";;\n;")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parseStatistics(text); err != nil && s != (Statistics{}) {
			t.Errorf("parseStatistics(%q) = %+v with error %v", text, s, err)
		}
	})
}
