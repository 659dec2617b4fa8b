package billing

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// sample is the output of "show sbc mySBC sbe billing instance" as seed 003
// prints it.
const sample = `Billing Manager Information:
Local IP address: 172.18.53.179
LDR check time: 0 :0
Method packetcable-em
Method packetcable-li
Admin Status: DOWN
Operation Status: DOWN
Cache path: usb0:billing_cache/
Cache max size: 0 Kilobytes
Cache minor-alarm: 97656 Kilobytes
Cache major-alarm: 488281 Kilobytes
Cache critical-alarm: 976562 Kilobytes
Retry-interval: 20 secs
CDR Media-Info: Not Included
CDR Endpoint-Info: Addressing

Billing Methods:
Radius client name: ssss
Instance: 0
Type: PACKET-CABLE
Transport Mechanism Status: DOWN
Active Calls Billed: 0
Local IP Address: 172.18.53.179
Deact-mode: abort
Admin Status: DOWN
Operation Status: DOWN
LDR check time: 0 :0
Batch size: 0
Batch time: 1000 ms
`

// seedStatus is how billing stands in that sample.
func seedStatus() model.BillingStatus {
	return model.BillingStatus{
		Manager: model.BillingManagerStatus{
			SBC: "mySBC", Configured: true, LocalAddress: "172.18.53.179", Methods: []string{"packetcable-em"}, CachePath: "usb0:billing_cache/",
			CacheMinor: 97_656, CacheMajor: 488_281, CacheCritical: 976_562, Resend: 10, EndpointInfo: model.EndpointAddressing,
		},
		Instances: []model.BillingInstanceStatus{{
			Name: "packetcable-em-0", Method: "packetcable-em", Client: "ssss", LocalAddress: "172.18.53.179", DeactMode: "abort", BatchTime: 1000,
		}},
	}
}

// TestInstanceAsInTheSeed: lawful intercept is not configured here, and the
// interval is the real one that the seed's text states.
func TestInstanceAsInTheSeed(t *testing.T) {
	want := strings.NewReplacer("Method packetcable-li\n", "", "Retry-interval: 20 secs", "Retry-interval: 10 secs").Replace(sample)
	s := exectest.Session{Answers: map[string]any{"billing.status": seedStatus()}}
	got := s.Type(t.Context(), t, ExecCommands(), "show sbc mySBC sbe billing instance")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("it differs from the seed (-seed +printed):\n%s", diff)
	}
}

// busy is how billing stands with a bit of everything.
func busy() model.BillingStatus {
	b := seedStatus()
	b.OpenCalls, b.Journal = 3, model.JournalStatus{Directory: "/harddisk/billcache", FirstSeq: 40, NextSeq: 52}
	m := &b.Manager
	m.LongCheck, m.Admin, m.Operation, m.MediaInfo, m.ElementID = model.TimeOfDay{Hour: 22, Minute: 5}, true, true, true, 7
	m.Methods, m.EndpointInfo, m.LocalAddress = append(m.Methods, "xml"), model.EndpointNone, ""
	first := &b.Instances[0]
	first.Client, first.Admin, first.Operation, first.TransportUp, first.ActiveCalls = "set1", true, true, true, 3
	b.Instances = append(b.Instances,
		model.BillingInstanceStatus{
			Name: "packetcable-em-4", Method: "packetcable-em", Index: 4, Client: "set2", Admin: true, LocalAddress: "10.1.1.1", DeactMode: "normal",
			BatchSize: 256, BatchTime: 22, Problem: "RADIUS client set2 is not active",
		},
		model.BillingInstanceStatus{
			Name: "xml-1", Method: "xml", Index: 1, TransportUp: true, Admin: true, Operation: true, DeactMode: "quiesce", ActiveCalls: 3,
			LongCheck: model.TimeOfDay{Hour: 23, Minute: 30}, CDRPath: "usb0:cdr", Interval: 240, Size: 20_480,
		})
	noon := time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)
	b.Cache = model.CacheStatus{
		Directory: "/harddisk/billcache", Segments: 2, Bytes: 9 << 20, Records: 1234, Oldest: noon, MemoryRecords: 2, MemoryBytes: 400, Refused: 5, Lost: 1,
		RepairedBytes: 77, Aside: 1, Full: true,
		Consumers: []model.CacheConsumerStatus{
			{Name: "packetcable-em-0", Records: 1234, Bytes: 300 << 10, Oldest: noon, Held: true},
			{Name: "xml-1"},
			{Name: "packetcable-em-3", Records: 9, Bytes: 2 << 10, Oldest: noon.Add(-time.Hour), Orphaned: true},
		},
	}
	b.RADIUS = []model.RADIUSClientStatus{{
		Name: "set1", Up: true, UnderWay: 12,
		Servers: []model.RADIUSServerStatus{
			{
				Name: "primary", Address: "192.168.42.40:1813", Priority: 1, Problem: "no answer after 6 tries", RoundTripTime: 1500 * time.Microsecond,
				Requests: 100, Retransmissions: 11, Responses: 92, MalformedAnswers: 1, BadAuthenticators: 2, Pending: 3, Timeouts: 14, UnknownTypes: 5, Dropped: 6,
			},
			{Name: "backup", Address: "[2001:db8::1]:2083", Priority: 2, TLS: true, Up: true, Current: true},
		},
	}}
	b.CDR = &model.CDRStatus{
		Current: "billing-1-20261122T110000Z-00000042.xml.part", CurrentBytes: 4096, CurrentCalls: 5, Files: 41, Calls: 900,
		LastFile: "billing-1-20261122T105700Z-00000041.xml", LastMD5: "d41d8cd98f00b204e9800998ecf8427e", FreeKB: 1900, Level: "minor",
		Transferred: "billing-1-20261122T105400Z-00000040.xml", Waiting: 1, TransferProblem: "dial tcp 192.0.2.1:22: connect: connection refused",
	}
	return b
}

func TestShowSBC(t *testing.T) {
	plain := exectest.Session{Answers: map[string]any{"billing.status": busy()}}
	quiet := exectest.Session{Answers: map[string]any{"billing.status": seedStatus()}}
	without := exectest.Session{Answers: map[string]any{"billing.status": model.BillingStatus{Manager: model.BillingManagerStatus{SBC: "mySBC"}}}}
	for _, test := range []struct {
		golden string
		s      *exectest.Session
		line   string
	}{
		{"instance", &plain, "show sbc mySBC sbe billing instance"},
		{"local", &plain, "show sbc mySBC sbe billing local"},
		{"remote", &plain, "show sbc mySBC sbe billing remote"},
		{"client", &plain, "show sbc mySBC sbe radius-client-accounting set1"},
		{"client-stats", &plain, "show sbc mySBC sbe radius-client-accounting set1 stats"},
		{"client-idle", &plain, "show sbc mySBC sbe radius-client-accounting set2"},
		{"client-unknown", &plain, "show sbc mySBC sbe radius-client-accounting set3"},
		{"other-sbc", &plain, "show sbc other sbe billing remote"},
		{"local-quiet", &quiet, "show sbc mySBC sbe billing local"},
		{"remote-quiet", &quiet, "show sbc mySBC sbe billing remote"},
		{"not-configured", &without, "show sbc mySBC sbe billing instance"},
	} {
		exectest.Golden(t, "sbc-"+test.golden, test.s.Type(t.Context(), t, ExecCommands(), test.line))
	}
}

func TestClearCache(t *testing.T) {
	s := exectest.Session{Answers: map[string]any{
		"billing.status":      busy(),
		"billing.clear-cache": map[string]int64{"records": 9},
	}}
	const line = "clear sbc mySBC sbe billing cache "
	for _, test := range []struct {
		line    string
		refuses bool
		want    string
		calls   int
	}{
		{line + "packetcable-em-3", false, "Give up 9 records that wait for packetcable-em-3?\nRecords given up: 9\n", 1},
		{line + "packetcable-em-3", true, "Give up 9 records that wait for packetcable-em-3?\n% not confirmed\n", 0},
		{line + "packetcable-em-5", false, "% the cache has nothing of an instance packetcable-em-5\n", 0},
		{line + "xml-1", false, "% no records wait for xml-1\n", 0},
		{"clear sbc other sbe billing cache xml-1", false, "% there is no SBC other\n", 0},
	} {
		s.Refuses = test.refuses
		if got := s.Type(t.Context(), t, ExecCommands(), test.line); got != test.want || len(s.Called()) != test.calls {
			t.Errorf("%s printed %q and called %q; want %q and %d calls", test.line, got, s.Called(), test.want, test.calls)
		}
	}
}

// TestOlderRelease: what 2.6.1 has another word for, none, or the same.
func TestOlderRelease(t *testing.T) {
	const running = `hostname box
!
sbc mySBC
 sbe
  adjacency sip a
   exit
  control address aaa ipv4 10.1.1.1
  billing
   element-id 7
   cdr endpoint-info adjacency
   cdr media-info
   ldr-check 22 30
   method packetcable-em
   method xml
   cache path harddisk:
   packetcable-em 0 transport radius set1
    batch-size 256
    attach
    exit
   xml 1
    cdr path usb0:cdr
    attach
    exit
   activate
   exit
  exit
 exit
!
ntp disable
`
	const want = `sbc mySBC
 sbe
  billing
   ! not in release 2.6.1: element-id 7
   cdr adj-info
   cdr media-info
   ldr-check 22 30
   method packetcable-em
   ! not in release 2.6.1: method xml
   cache path harddisk:
   packetcable-em 0 transport radius set1
    batch-size 256
    attach
    exit
   ! not in release 2.6.1: xml 1
   activate
   exit
  exit
 exit
`
	s := exectest.Session{Answers: map[string]any{"billing.status": seedStatus(), "control.running": map[string]string{"text": running}}}
	const line = "show sbc mySBC sbe billing configuration release 2.6.1"
	if diff := cmp.Diff(want, s.Type(t.Context(), t, ExecCommands(), line)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", line, diff)
	}
	addressing := strings.Replace(running, "endpoint-info adjacency", "endpoint-info addressing", 1)
	if got := older(addressing); strings.Contains(got, "adj-info") || !strings.Contains(got, "! not in release 2.6.1: cdr endpoint-info addressing\n") {
		t.Errorf("older(cdr endpoint-info addressing) = %s; want a comment", got)
	}
}
