package admission

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// seedExample is the example of seed 003, "selective RADIUS billing", line by
// line as it is printed there, the lines that open its place before it.
const seedExample = `sbc mySBC
sbe
cac-policy-set 1
first-cac-scope global
first-cac-table 1
table-type limit adj-group
cac-table 1
entry 1
action next-table 2
billing filter enable
billing methods xml
!
!
cac-table 2
entry 1
match-value ims-adjacencies
action next-table 3
billing filter enable
billing methods xml
billing methods packetcable-em
!
!
cac-table 3
entry 1
match-value special-adj
action cac-complete
billing filter enable
!
!
!`

// seedSteps are the steps of its procedure.
const seedSteps = `sbc mySBC
sbe
cac-policy-set 1
cac-table t1
table-type policy-set
entry 1
billing filter enable
billing methods xml
end`

// parse reads a configuration with the commands of admission and the modes
// that they hang in.
func parse(t testing.TB, text string) *model.Config {
	t.Helper()
	c, err := grammar(t).Parse(text)
	if err != nil {
		t.Fatalf("Parse of\n%s = %v", text, err)
	}
	return c
}

func grammar(t testing.TB) *config.Grammar {
	t.Helper()
	open := func(mode config.Mode, syntax string, opens config.Mode, args []config.Argument) config.Command {
		return config.Command{
			Mode: mode, Syntax: syntax, Args: args, Opens: opens, Help: "A mode",
			Apply: func(c *model.Config, a config.Args) error { c.SBC.Name, c.SBC.SBE = a.Text("SBC"), true; return nil },
			Render: func(c *model.Config, in config.Args) []config.Args {
				if in["SBC"] != nil {
					return []config.Args{{}}
				}
				return config.When(c.SBC.Name != "", config.Args{"SBC": c.SBC.Name})
			},
		}
	}
	name := []config.Argument{{Name: "SBC", Type: config.Name{}, Help: "A name"}}
	g, err := config.New([]config.Command{
		open(config.Global, "sbc SBC", "config-sbc", name), open("config-sbc", "sbe", sbeMode, nil),
	}, Commands())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestRulesOfPolicySets(t *testing.T) {
	const begin = "sbc s\nsbe\ncac-policy-set 1\ncac-table a\nentry 1\n"
	for _, test := range []struct{ lines, rule string }{
		{begin + "action next-table b", "there is no cac-table b"},
		{begin + "first-cac-table b", "there is no cac-table b"},
		{begin + "active-cac-policy-set 2", "there is no policy set 2"},
		{begin + "action next-table a", "circle: cac-table a, then a"},
		{begin + "cac-table b\nentry 1\naction next-table a", "circle: cac-table a, then b, then a"},
		{begin + "cac-scope call\nmax-num-calls 1", "cac-scope call"},
		{"sbc s\nsbe\ncac-policy-set 1\nfirst-cac-scope call\ncac-table a\nentry 1\nmax-call-rate-per-scope 1", "cac-scope call"},
		{begin + "action cac-complete\ncac-table b\nentry 1\naction next-table a", "circle"}, // what a does not take goes on to b
	} {
		_, err := grammar(t).Parse(test.lines)
		if err == nil || !strings.Contains(err.Error(), test.rule) {
			t.Errorf("Parse of\n%s\n= %v; want %q", test.lines, err, test.rule)
		}
	}
}

// TestCheck: what grammar cannot have let through, the gate refuses too.
func TestCheck(t *testing.T) {
	c := parse(t, seedExample)
	g := New(Options{})
	if err := g.Check(c); err != nil {
		t.Errorf("Check(seed) = %v", err)
	}
	c.SBC.CACPolicySets[0].Tables[1].Entries[0].NextTable = "1"
	if err := g.Check(c); err == nil || !strings.Contains(err.Error(), "cac-policy-set 1") {
		t.Errorf("Check(circle) = %v; want an error about policy set 1", err)
	}
}

// The adjacencies of the tests.
var (
	ordinary = &model.Adjacency{Name: "ordinary", Account: "acme"}
	other    = &model.Adjacency{Name: "other", Account: "acme"}
	ims      = &model.Adjacency{Name: "ims-1", Group: "ims-adjacencies"}
	ims2     = &model.Adjacency{Name: "ims-2", Group: "ims-adjacencies", Account: "beta"}
	special  = &model.Adjacency{Name: "special-adj"}
)

// TestSeedBilling: who is billed how by the seed's example.
func TestSeedBilling(t *testing.T) {
	xml := model.CallBilling{Filtered: true, XML: true}
	both := model.CallBilling{Filtered: true, XML: true, PacketCable: true}
	none := model.CallBilling{Filtered: true}
	now := time.Hour
	g := gateAt(t, &now, 0, parse(t, seedExample))
	for _, test := range []struct {
		caller, callee *model.Adjacency
		want           model.CallBilling
	}{
		{ordinary, other, xml},
		{ims, ordinary, both},
		{ordinary, ims, both},
		{special, ordinary, none},
		{ordinary, special, none},
		{special, ims, none},
		{ims, special, none},
	} {
		seat, refusal := g.Place(invite(t, "sip:bob@example.com", test.caller), &hop.Target{Adjacency: test.callee})
		if refusal.Status != 0 || seat == nil {
			t.Fatalf("Place(%s to %s) = %v, %+v", test.caller.Name, test.callee.Name, seat, refusal)
		}
		if got := seat.(*Seat).Billing(); got != test.want {
			t.Errorf("%s to %s: billing %+v; want %+v", test.caller.Name, test.callee.Name, got, test.want)
		}
		seat.Leave()
	}
}

// TestNothingCounts: without an active policy set there is no seat.
func TestNothingCounts(t *testing.T) {
	const two = "sbc s\nsbe\ncac-policy-set 1\ncac-table a\nentry 1\nmax-num-calls 1\ncac-policy-set 2\n"
	for _, test := range []struct {
		lines  string
		active int // 0: none
	}{
		{"", 0},
		{"sbc s\nsbe\ncac-policy-set 7\n", 7},
		{two, 0},
		{two + "active-cac-policy-set 2\n", 2},
		{two + "active-cac-policy-set 1\n", 1},
	} {
		now := time.Hour
		g := gateAt(t, &now, 0, parse(t, test.lines))
		active := 0
		if p := g.plan.Load(); p.cac != nil {
			active = p.cac.config.Number
		}
		seat, refusal := g.Place(invite(t, "sip:bob@example.com", ordinary), &hop.Target{Adjacency: other})
		if active != test.active || refusal.Status != 0 || (seat != nil) != (active == 1) {
			t.Errorf("with\n%s\nset %d is active, Place = %v, %+v; want set %d, and a seat of set 1 only", test.lines, active, seat, refusal, test.active)
		}
	}
}

// call is one attempt of a test.
type call struct {
	caller, callee *model.Adjacency
	uri            string // empty: sip:bob@example.com
	rule           string // that refuses it; empty: it is placed
}

// TestLimits: each scope and each type of table, by calls one after the other.
func TestLimits(t *testing.T) {
	const tooMany = "cac entry 1/t/1 max-num-calls"
	table := func(kind string, lines ...string) string {
		return "sbc s\nsbe\ncac-policy-set 1\ncac-table t\ntable-type " + kind + "\nentry 1\n" + strings.Join(lines, "\n")
	}
	for _, test := range []struct {
		name  string
		lines string
		calls []call
	}{
		{"globally", table("policy-set", "max-num-calls 2"),
			[]call{{ordinary, other, "", ""}, {ims, special, "", ""}, {ordinary, other, "", tooMany}}},
		{"by adjacency, of both sides", table("policy-set", "cac-scope adjacency", "max-num-calls 1"),
			[]call{{ordinary, other, "", ""}, {ims, other, "", tooMany}, {ordinary, ims, "", tooMany}, {ims, special, "", ""}, {special, ims2, "", tooMany}}},
		{"a call between two ends of one adjacency is one call", table("policy-set", "cac-scope adjacency", "max-num-calls 2"),
			[]call{{ordinary, ordinary, "", ""}, {ordinary, ordinary, "", ""}, {ordinary, ordinary, "", tooMany}}},
		{"by caller's adjacency", table("policy-set", "cac-scope src-adjacency", "max-num-calls 1"),
			[]call{{ordinary, other, "", ""}, {other, ordinary, "", ""}, {ordinary, ims, "", tooMany}}},
		{"by callee's adjacency", table("policy-set", "cac-scope dst-adjacency", "max-num-calls 1"),
			[]call{{ordinary, other, "", ""}, {other, ordinary, "", ""}, {ims, ordinary, "", tooMany}}},
		{"by group", table("policy-set", "cac-scope adj-group", "max-num-calls 1"),
			[]call{{ordinary, other, "", ""}, {ordinary, other, "", ""}, {ims, other, "", ""}, {other, ims2, "", tooMany}}},
		{"by account", table("policy-set", "cac-scope account", "max-num-calls 1"),
			[]call{{ordinary, special, "", ""}, {special, ims, "", ""}, {other, special, "", tooMany}, {ims2, special, "", ""}}},
		{"of a group, which comes before an adjacency", table("limit adj-group", "match-value ims-adjacencies", "max-num-calls 1"),
			[]call{{ordinary, other, "", ""}, {ordinary, ims, "", ""}, {ims2, ordinary, "", tooMany}, {ordinary, other, "", ""}}},
		{"of an adjacency by a table of groups", table("limit adj-group", "match-value special-adj", "max-num-calls 1"),
			[]call{{ordinary, special, "", ""}, {special, ims, "", tooMany}, {ordinary, ims, "", ""}}},
		{"of an adjacency, not of a group", table("limit adjacency", "match-value ims-adjacencies", "max-num-calls 1"),
			[]call{{ordinary, ims, "", ""}, {ims, ordinary, "", ""}}},
		{"of a caller", table("limit src-adjacency", "match-value ordinary", "max-num-calls 1"),
			[]call{{other, ordinary, "", ""}, {ordinary, other, "", ""}, {other, ordinary, "", ""}, {ordinary, ims, "", tooMany}}},
		{"of a callee", table("limit dst-adjacency", "match-value ordinary", "max-num-calls 1"),
			[]call{{ordinary, other, "", ""}, {other, ordinary, "", ""}, {ordinary, other, "", ""}, {ims, ordinary, "", tooMany}}},
		{"of an account", table("limit account", "match-value acme", "max-num-calls 1"),
			[]call{{ims, special, "", ""}, {ims, other, "", ""}, {ordinary, ims, "", tooMany}}},
		{"of dialled numbers", table("limit dst-prefix", "match-value 0900", "max-num-calls 1"),
			[]call{{ordinary, other, "sip:0900123@example.com", ""}, {ims, other, "sip:090@example.com", ""}, {ims, other, "tel:0900456", tooMany}}},
		{"emergency calls are counted and not refused", table("policy-set", "max-num-calls 1"),
			[]call{{ordinary, other, "sip:112@example.com", ""}, {ordinary, other, "sip:112@example.com", ""}, {ordinary, other, "", tooMany}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := time.Hour
			g := gateAt(t, &now, 0, parse(t, test.lines))
			placeAll(t, g, test.calls)
		})
	}
}

func placeAll(t *testing.T, g *Gate, calls []call) (seats []hop.Seat) {
	t.Helper()
	for i, c := range calls {
		if c.uri == "" {
			c.uri = "sip:bob@example.com"
		}
		seat, refusal := g.Place(invite(t, c.uri, c.caller), &hop.Target{Adjacency: c.callee})
		if refusal.Rule != c.rule || (refusal.Status == 503) != (c.rule != "") || refusal.Status != 0 && seat != nil {
			t.Errorf("call %d, %s to %s: Place = %v, %+v; want rule %q", i+1, c.caller.Name, c.callee.Name, seat, refusal, c.rule)
		}
		if seat != nil {
			seats = append(seats, seat)
		}
	}
	return seats
}

// callsOf gives what show prints of an entry.
func callsOf(t testing.TB, g *Gate, table string, entry int) string {
	t.Helper()
	status, err := g.cacStatus(CACQuery{SBC: "s", Set: 1, Table: table, Entry: entry})
	if err != nil {
		t.Fatal(err)
	}
	e := status.Tables[0].Entries[0]
	text := fmt.Sprint("refused ", e.Failures)
	for _, c := range e.Calls {
		text += fmt.Sprintf(", %s %s %d", c.Scope, c.Name, c.Calls)
	}
	return text
}

// TestAllOrNone: a call that a later table refuses takes nothing from the
// earlier ones, neither seats nor their rate; each seat is given back once.
func TestAllOrNone(t *testing.T) {
	const lines = "sbc s\nsbe\ncac-policy-set 1\n" +
		"cac-table first\nentry 1\ncac-scope adjacency\nmax-num-calls 5\nmax-call-rate-per-scope 3\n" +
		"cac-table second\nentry 2\nmax-num-calls 2\n"
	now := time.Hour
	g := gateAt(t, &now, 0, parse(t, lines))
	const refused = "cac entry 1/second/2 max-num-calls"
	seats := placeAll(t, g, []call{
		{ordinary, other, "", ""}, {ordinary, other, "", ""},
		{ordinary, other, "", refused}, {ordinary, other, "", refused}, {ordinary, other, "", refused},
	})
	if got, want := callsOf(t, g, "first", 1), "refused 0, adjacency ordinary 2, adjacency other 2"; got != want {
		t.Errorf("first table: %s; want %s", got, want)
	}
	seats[0].Leave()
	seats[0].Leave()
	if got, want := callsOf(t, g, "second", 2), "refused 3, global  1"; got != want {
		t.Errorf("second table after Leave twice: %s; want %s", got, want)
	}
	// The third call of this minute; the refused ones did not count.
	placeAll(t, g, []call{{ordinary, other, "", ""}})
	seats[1].Leave()
	placeAll(t, g, []call{{ordinary, other, "", "cac entry 1/first/1 max-call-rate-per-scope"}})
}

// TestRate: a minute's calls and the burst at once, then one at a time.
func TestRate(t *testing.T) {
	now := time.Hour
	g := gateAt(t, &now, 0, parse(t, "sbc s\nsbe\ncac-policy-set 1\ncac-table t\nentry 1\nmax-call-rate-per-scope 6 burst 2\n"))
	in, out := invite(t, "sip:bob@example.com", ordinary), &hop.Target{Adjacency: other}
	place := func() bool {
		seat, refusal := g.Place(in, out)
		if seat != nil {
			seat.Leave()
		}
		return refusal.Status == 0
	}
	for _, step := range []struct {
		after  time.Duration
		placed int // of 20 calls
	}{
		{0, 8}, {9 * time.Second, 0}, {time.Second, 1}, {25 * time.Second, 2}, {5 * time.Second, 1}, {time.Hour, 8},
	} {
		now += step.after
		placed := 0
		for range 20 {
			if place() {
				placed++
			}
		}
		if placed != step.placed {
			t.Errorf("%v later: %d of 20 calls placed; want %d", step.after, placed, step.placed)
		}
	}
	if got, want := callsOf(t, g, "t", 1), "refused 100, global  0"; got != want {
		t.Errorf("when all have left: %s; want %s", got, want)
	}
}

// TestBothSidesAreTaken: where two entries of a table take the two legs, both
// count the call, and the later one says how it goes on.
func TestBothSidesAreTaken(t *testing.T) {
	const lines = "sbc s\nsbe\ncac-policy-set 1\ncac-table t\ntable-type limit adjacency\n" +
		"entry 1\nmatch-value ordinary\naction cac-complete\nmax-num-calls 9\nbilling filter enable\n" +
		"entry 2\nmatch-value other\nmax-num-calls 9\nbilling filter disable\n" +
		"cac-table u\nentry 1\nmax-num-calls 9\n"
	for _, legs := range [][2]*model.Adjacency{{ordinary, other}, {other, ordinary}} {
		now := time.Hour
		g := gateAt(t, &now, 0, parse(t, lines))
		seat, _ := g.Place(invite(t, "sip:bob@example.com", legs[0]), &hop.Target{Adjacency: legs[1]})
		for _, entry := range []struct {
			table string
			n     int
		}{{"t", 1}, {"t", 2}, {"u", 1}} {
			if got, want := callsOf(t, g, entry.table, entry.n), "refused 0, global  1"; got != want {
				t.Errorf("%s to %s, entry %s/%d: %s; want %s", legs[0].Name, legs[1].Name, entry.table, entry.n, got, want)
			}
		}
		if b := seat.(*Seat).Billing(); b.Filtered {
			t.Errorf("%s to %s: billing %+v; want all methods, as entry 2 says", legs[0].Name, legs[1].Name, b)
		}
	}
}

// TestCommitKeepsSeats: calls in progress count against a limit that changes,
// goes and comes back, and give their seats back whatever was committed since.
func TestCommitKeepsSeats(t *testing.T) {
	const begin = "sbc s\nsbe\ncac-policy-set 1\ncac-table t\nentry 1\n"
	now := time.Hour
	g := gateAt(t, &now, 0, parse(t, begin))
	seats := placeAll(t, g, []call{{ordinary, other, "", ""}, {ordinary, other, "", ""}, {ordinary, other, "", ""}})
	const tooMany = "cac entry 1/t/1 max-num-calls"
	for _, step := range []struct{ lines, rule string }{
		{begin + "max-num-calls 3", tooMany},
		{begin + "max-num-calls 2", tooMany},
		{"", ""},
		{begin + "max-num-calls 3", tooMany},
		{begin + "max-num-calls 4", ""},
	} {
		g.Apply(parse(t, step.lines))
		for _, seat := range placeAll(t, g, []call{{ordinary, other, "", step.rule}}) {
			seat.Leave()
		}
	}
	for _, seat := range seats {
		seat.Leave()
	}
	if got, want := callsOf(t, g, "t", 1), "refused 3, global  0"; got != want {
		t.Errorf("in the end: %s; want %s", got, want)
	}
}

// TestPlaceFromManyThreads: the limit is never passed and nothing stays
// behind, while commits come.
func TestPlaceFromManyThreads(t *testing.T) {
	const threads, most = 8, 5
	lines := "sbc s\nsbe\ncac-policy-set 1\ncac-table t\nentry 1\nmax-num-calls %d\n" +
		"cac-table u\nentry 1\ncac-scope adjacency\nmax-num-calls 3\n"
	now := time.Hour
	c := parse(t, fmt.Sprintf(lines, most))
	g := gateAt(t, &now, 0, c)
	legs := []*model.Adjacency{ordinary, other, ims, ims2, special}
	var running, commits sync.WaitGroup
	stop := make(chan struct{})
	commits.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				g.Apply(c)
			}
		}
	})
	for range threads {
		in := invite(t, "sip:bob@example.com", nil)
		running.Go(func() {
			var seats []hop.Seat
			for range 2000 {
				in.Adjacency = legs[rand.IntN(len(legs))]
				if seat, refusal := g.Place(in, &hop.Target{Adjacency: legs[rand.IntN(len(legs))]}); refusal.Status == 0 {
					seats = append(seats, seat)
				}
				if calls := g.seats[entryKey{1, "t", 1}].of(model.ScopeGlobal, "").calls.Load(); calls > most || calls < 0 {
					t.Errorf("%d calls at the same time; want 0–%d", calls, most)
				}
				if len(seats) > 0 && rand.IntN(2) == 0 {
					seats[0].Leave()
					seats = seats[1:]
				}
			}
			for _, seat := range seats {
				seat.Leave()
			}
		})
	}
	running.Wait()
	close(stop)
	commits.Wait()
	for key, tallies := range g.seats {
		for _, c := range tallies.counted() {
			if c.Calls != 0 {
				t.Errorf("entry %v: %d calls of %s %s in the end; want 0", key, c.Calls, c.Scope, c.Name)
			}
		}
	}
}

func TestSeedLines(t *testing.T) {
	c := parse(t, seedSteps)
	e := c.SBC.CACPolicySets[0].Tables[0].Entries[0]
	if e.BillingFilter != model.BillingFilterEnable || !e.BillingXML || c.SBC.CACPolicySets[0].Tables[0].Type != model.TablePolicySet {
		t.Errorf("the seed's steps make %+v", c.SBC.CACPolicySets)
	}
	set := parse(t, seedExample).SBC.CACPolicySets[0]
	if set.TableType != model.LimitAdjacencyGroup || set.FirstTable != "1" || set.FirstScope != model.ScopeGlobal || len(set.Tables) != 3 {
		t.Errorf("the seed's example makes %+v", set)
	}
}
