package grammar_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/config"
	"causeway/appliance/grammar"
	"causeway/appliance/model"
)

// The examples and procedures of seed 003, line by line as they are printed
// there. This one names a RADIUS client that it does not define.
const seedMars = `Router# configure terminal
Router(config)# sbc mysbc
Router(config-sbc)# sbe
Router(config-sbc-sbe)# control address aaa ipv4 10.10.10.1 vrf default
Router(config-sbc-sbe)# radius accounting mars
Router(config-sbc-sbe-acc)# concurrent-requests 300
Router(config-sbc-sbe-acc)# retry-interval 1000
Router(config-sbc-sbe-acc)# retry-limit 6
Router(config-sbc-sbe-acc)# server moon
Router(config-sbc-sbe-acc-ser)# address ipv4 10.20.1.1
Router(config-sbc-sbe-acc-ser)# priority 4
Router(config-sbc-sbe-acc-ser)# key test
Router(config-sbc-sbe-acc-ser)# port 1820
Router(config-sbc-sbe-acc-ser)# exit
Router(config-sbc-sbe-acc)# activate
Router(config-sbc-sbe-acc)# exit
Router(config-sbc-sbe)# billing
Router(config-sbc-sbe-billing)# ldr-check 22 30
Router(config-sbc-sbe-billing)# local-address ipv4 10.20.1.1
Router(config-sbc-sbe-billing)# method packetcable-em
Router(config-sbc-sbe-billing)# cache path harddisk:
Router(config-sbc-sbe-billing)# packetcable-em 3 transport radius test
Router(config-sbc-sbe-billing-packetcable-em)# batch-size 256
Router(config-sbc-sbe-billing-packetcable-em)# batch-time 22
Router(config-sbc-sbe-billing-packetcable-em)# attach
Router(config-sbc-sbe-billing-packetcable-em)# exit
Router(config-sbc-sbe-billing)# activate
 
 
`

const seedCache = `sbc asr
sbe
! - Local radius IP address
control address aaa ipv4 10.1.1.1
 
! - First radius accounting client group
radius accounting ACCT-CLIENT-GROUP-1
! - First radius server
server ACCT-SERVER-1
address ipv4 20.1.1.1
key cisco
activate
 
! - Billing Manager.
billing
local-address ipv4 10.1.1.1
method packetcable-em
cache path harddisk:
! - First billing method.
packetcable-em 0 transport radius ACCT-CLIENT-GROUP-1
local-address ipv4 10.1.1.1
attach
activate

`

const seedFourServers = `sbc asr
sbe
! - Local radius IP address
control address aaa ipv4 10.1.1.1
 
! - First radius accounting client group
radius accounting ACCT-CLIENT-GROUP-1
! - First radius server
server ACCT-SERVER-1
address ipv4 20.1.1.1
key cisco
! - Backup for First radius server
server ACCT-SERVER-2
address ipv4 20.1.1.2
key cisco
activate
 
! - Second radius accounting client group
radius accounting ACCT-CLIENT-GROUP-2
! - Second radius server
server ACCT-SERVER-3
address ipv4 30.1.1.1
key cisco
! - Backup for Second radius server
server ACCT-SERVER-4
address ipv4 30.1.1.2
key cisco
activate
 
! - Billing Manager.
billing
local-address ipv4 10.1.1.1
method packetcable-em
cache path harddisk:
! - First billing method.
packetcable-em 0 transport radius ACCT-CLIENT-GROUP-1
local-address ipv4 10.1.1.1
attach
! - Second billing method for duplicate records.
packetcable-em 1 transport radius ACCT-CLIENT-GROUP-2
local-address ipv4 10.1.1.1
attach
activate
 
`

const seedEndpointInfo = ` 
Router# configure terminal
Router(config)# sbc mySBC
Router(config-sbc)# sbe
Router(config-sbc-sbe)# billing
Router(config-sbc-sbe-billing)# cdr endpoint-info addressing
Router(config-sbc-sbe-billing)# end
Router#
 
`

const seedProcedure = `Router# configure
Router(config)# sbc mysbc
Router(config-sbc)# sbe
Router(config-sbc-sbe)# control address aaa ipv4 192.168.113.2
Router(config-sbc-sbe)# radius accounting set1
Router(config-sbc-sbe-acc)# concurrent-requests 34
Router(config-sbc-sbe-acc)# retry-interval 2000
Router(config-sbc-sbe-acc)# retry-limit 4
Router(config-sbc-sbe-acc)# server Cisco-AR1-PC
Router(config-sbc-sbe-acc-ser)# address ipv4 200.200.200.153
Router(config-sbc-sbe-acc-ser)# priority 2
Router(config-sbc-sbe-acc-ser)# key cisco
Router(config-sbc-sbe-acc-ser)# port 2009
Router(config-sbc-sbe-acc-ser)# exit
Router/Admin(config-sbc-sbe-acc)# activate
Router/Admin(config-sbc-sbe-acc)# exit
Router(config-sbc-sbe)# billing
Router(config-sbc-sbe-billing)# cdr endpoint-info addressing
Router(config-sbc-sbe-billing)# ldr-check 22 30
Router(config-sbc-sbe-billing)# local-address ipv4 10.20.1.1
Router(config-sbc-sbe-billing)# method packetcable-em
Router(config-sbc-sbe-billing)# cache path harddisk:
Router(config-sbc-sbe-billing)# packetcable-em 4 transport radius set1
Router(config-sbc-sbe-billing-packetcable-em)# batch-size 256
Router(config-sbc-sbe-billing-packetcable-em)# batch-time 22
Router(config-sbc-sbe-billing-packetcable-em)# attach
Router(config-sbc-sbe-billing-packetcable-em)# exit
Router(config-sbc-sbe-billing)# activate
`

const seedXML = `Router# configure terminal
Router(config)# sbc mysbc
Router(config-sbc)# sbe
Router(config-sbc-sbe)# billing
Router(config-sbc-sbe-billing)# method xml
Router(config-sbc-sbe-billing)# xml 1
Router(config-sbc-sbe-billing-xml)# cdr path usb0:cdr
Router(config-sbc-sbe-billing-xml)# ldr-check 23 30
Router(config-sbc-sbe-billing-xml)# cdr alarm minor 2000 major 1000 critical 500
Router(config-sbc-sbe-billing-xml)# flipped-interval 240
Router(config-sbc-sbe-billing-xml)# flipped-size 20480
Router(config-sbc-sbe-billing-xml)# deact-mode quiesce
Router(config-sbc-sbe-billing-xml)# attach
Router(config-sbc-sbe-billing-xml)# exit
Router(config-sbc-sbe-billing)# activate
`

// seedSelection is printed without the lines that open its place.
const seedSelection = `sbc mySBC
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
!
`

// TestSeedBilling pastes the examples into a session, line by line: what they
// make is printed as want has it, the keys aside, and can be committed unless
// fault says why not.
func TestSeedBilling(t *testing.T) {
	key, err := config.NewBoxKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	g := grammar.All().Sealing(key)
	sealed := regexp.MustCompile(`sealed:\S+`)
	for _, test := range []struct{ name, pasted, fault, want string }{
		{"mars", seedMars, `"packetcable-em 3 transport radius test": there is no RADIUS client test; define it with radius accounting test`, `sbc mysbc
 sbe
  control address aaa ipv4 10.10.10.1
  radius accounting mars
   concurrent-requests 300
   retry-interval 1000
   retry-limit 6
   server moon
    address ipv4 10.20.1.1
    priority 4
    key KEY
    port 1820
    exit
   activate
   exit
  billing
   ldr-check 22 30
   local-address ipv4 10.20.1.1
   method packetcable-em
   cache path harddisk:
   packetcable-em 3 transport radius test
    batch-size 256
    batch-time 22
    attach
    exit
   activate
   exit
  exit
 exit
`},
		{"cache", seedCache, "", `sbc asr
 sbe
  control address aaa ipv4 10.1.1.1
  radius accounting ACCT-CLIENT-GROUP-1
   server ACCT-SERVER-1
    address ipv4 20.1.1.1
    key KEY
    exit
   activate
   exit
  billing
   local-address ipv4 10.1.1.1
   method packetcable-em
   cache path harddisk:
   packetcable-em 0 transport radius ACCT-CLIENT-GROUP-1
    local-address ipv4 10.1.1.1
    attach
    exit
   activate
   exit
  exit
 exit
`},
		{"four servers", seedFourServers, "", `sbc asr
 sbe
  control address aaa ipv4 10.1.1.1
  radius accounting ACCT-CLIENT-GROUP-1
   server ACCT-SERVER-1
    address ipv4 20.1.1.1
    key KEY
    exit
   server ACCT-SERVER-2
    address ipv4 20.1.1.2
    key KEY
    exit
   activate
   exit
  radius accounting ACCT-CLIENT-GROUP-2
   server ACCT-SERVER-3
    address ipv4 30.1.1.1
    key KEY
    exit
   server ACCT-SERVER-4
    address ipv4 30.1.1.2
    key KEY
    exit
   activate
   exit
  billing
   local-address ipv4 10.1.1.1
   method packetcable-em
   cache path harddisk:
   packetcable-em 0 transport radius ACCT-CLIENT-GROUP-1
    local-address ipv4 10.1.1.1
    attach
    exit
   packetcable-em 1 transport radius ACCT-CLIENT-GROUP-2
    local-address ipv4 10.1.1.1
    attach
    exit
   activate
   exit
  exit
 exit
`},
		{"endpoint information", seedEndpointInfo, "", `sbc mySBC
 sbe
  billing
   cdr endpoint-info addressing
   exit
  exit
 exit
`},
		{"procedure", seedProcedure, "", `sbc mysbc
 sbe
  control address aaa ipv4 192.168.113.2
  radius accounting set1
   concurrent-requests 34
   retry-interval 2000
   retry-limit 4
   server Cisco-AR1-PC
    address ipv4 200.200.200.153
    priority 2
    key KEY
    port 2009
    exit
   activate
   exit
  billing
   cdr endpoint-info addressing
   ldr-check 22 30
   local-address ipv4 10.20.1.1
   method packetcable-em
   cache path harddisk:
   packetcable-em 4 transport radius set1
    batch-size 256
    batch-time 22
    attach
    exit
   activate
   exit
  exit
 exit
`},
		{"XML", seedXML, "", `sbc mysbc
 sbe
  billing
   method xml
   xml 1
    cdr path usb0:cdr
    ldr-check 23 30
    cdr alarm minor 2000 major 1000 critical 500
    flipped-interval 240
    flipped-size 20480
    deact-mode quiesce
    attach
    exit
   activate
   exit
  exit
 exit
`},
		{"selection", seedSelection, "", `sbc mySBC
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
     exit
    exit
   cac-table 2
    entry 1
     match-value ims-adjacencies
     action next-table 3
     billing filter enable
     billing methods xml
     billing methods packetcable-em
     exit
    exit
   cac-table 3
    entry 1
     match-value special-adj
     action cac-complete
     billing filter enable
     exit
    exit
   exit
  exit
 exit
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, path := &model.Config{}, []string(nil)
			for line := range strings.Lines(test.pasted) {
				at, _ := g.ModeOf(path)
				if _, named, ok := strings.Cut(line, "("); ok && strings.Contains(line, ")# ") && !strings.HasPrefix(named, string(at)+")") {
					t.Errorf("%q is typed in mode %s", line, at)
				}
				next, fault := g.Edit(c, path, line)
				if fault != nil {
					t.Fatalf("Edit(%q, %q) = %v; want no error", path, line, fault)
				}
				path = next
			}
			if diff := cmp.Diff(test.want, sealed.ReplaceAllString(g.Render(c), "KEY")); diff != "" {
				t.Errorf("what was pasted is printed otherwise (-want +got):\n%s", diff)
			}
			var faults config.Errors
			errors.As(g.Validate(c), &faults)
			if len(faults) > 1 || (len(faults) == 1) != (test.fault != "") || len(faults) == 1 && faults[0].Error() != test.fault {
				t.Errorf("Validate = %v; want %q", faults, test.fault)
			}
			if _, err := g.Parse(test.pasted); (err != nil) != (test.fault != "") {
				t.Errorf("Parse of the whole = %v; want the same", err)
			}
		})
	}
}
