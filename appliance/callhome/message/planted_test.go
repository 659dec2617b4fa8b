package message

import (
	"encoding/base64"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

// asked is a line of the tables of the requirements, copied from there, or of
// what is sent besides: which facts it tells, and which modes may.
type asked struct {
	table, number, title string
	anonymous            bool     // all of them are sent in Smart
	facts                []string // in Facts, or in the settings
	elements             []string // that have them
}

var inventoryTable = []asked{
	{"CH-T1", "1", "Contact e-mail", false, []string{"settings.ContactEmail"}, []string{"SystemInfo/ContactEmail", "CustomerData/UserData/Email"}},
	{"CH-T1", "2", "Contact phone number", false, []string{"settings.Phone"}, []string{"SystemInfo/ContactPhoneNumber"}},
	{"CH-T1", "3", "Street address", false, []string{"settings.StreetAddress"}, []string{"SystemInfo/StreetAddress"}},
	{"CH-T1", "4", "Server name", false, []string{"HostName"}, []string{"SystemInfo/Name"}},
	{"CH-T1", "5", "Server IP address", false, []string{"Addresses"}, []string{"ServerIPAddress"}},
	{"CH-T1", "6", "Licence server", false, []string{"LicenseServer"}, []string{"LicenseServer"}},
	{"CH-T1", "7", "OS version", true, []string{"OSVersion"}, []string{"OSVersion"}},
	{"CH-T1", "8", "Model", true, []string{"Model"}, []string{"Model"}},
	{"CH-T1", "9", "Serial number", true, []string{"Serial"}, []string{"SerialNumber"}},
	{"CH-T1", "10", "CPU speed", true, []string{"CPU", "CPUs", "CPUSpeed"}, []string{"CPUSpeed"}},
	{"CH-T1", "11", "RAM", true, []string{"RAM"}, []string{"RAMKiB"}},
	{"CH-T1", "12", "Storage partition", true, []string{"Partitions"}, []string{"StoragePartitions"}},
	{"CH-T1", "13", "Firmware version", true, []string{"Firmware"}, []string{"FirmwareVersion"}},
	{"CH-T1", "14", "BIOS version", true, []string{"BIOSVersion"}, []string{"BIOSVersion"}},
	{"CH-T1", "15", "BIOS information", true, []string{"BIOSInformation"}, []string{"BIOSInformation"}},
	{"CH-T1", "16", "RAID configuration", true, []string{"RAID"}, []string{"RAIDConfiguration"}},
	{"CH-T1", "17", "Active services", true, []string{"Services"}, []string{"ActiveServices"}},
	{"CH-T1", "18", "Publisher name", false, []string{"HostName"}, []string{"PublisherName"}},
	{"CH-T1", "19", "Publisher IP", false, []string{"Addresses"}, []string{"PublisherIP"}},
	{"CH-T1", "20", "Product ID", true, []string{"ProductID"}, []string{"ProductId"}},
	{"CH-T1", "21", "Active version", true, []string{"ActiveVersion"}, []string{"ActiveVersion"}},
	{"CH-T1", "22", "Inactive version", true, []string{"InactiveVersion"}, []string{"InactiveVersion"}},
	{"CH-T1", "23", "Product short name", true, []string{"ShortName"}, []string{"ProductShortName"}},
}

var telemetryTable = []asked{
	{"CH-T2", "1", "Contact e-mail", false, []string{"settings.ContactEmail"}, []string{"SystemInfo/ContactEmail", "CustomerData/UserData/Email"}},
	{"CH-T2", "2", "Contact phone number", false, []string{"settings.Phone"}, []string{"SystemInfo/ContactPhoneNumber"}},
	{"CH-T2", "3", "Street address", false, []string{"settings.StreetAddress"}, []string{"SystemInfo/StreetAddress"}},
	{"CH-T2", "4", "Server name", false, []string{"HostName"}, []string{"SystemInfo/Name"}},
	{"CH-T2", "5", "CM user count", false, []string{"Users"}, []string{"CMUserCount"}},
	{"CH-T2", "6", "Serial number", true, []string{"Serial"}, []string{"SerialNumber"}},
	{"CH-T2", "7", "Publisher name", false, []string{"HostName"}, []string{"PublisherName"}},
	{"CH-T2", "8", "Device count and model", true, []string{"Devices"}, []string{"DeviceCounts"}},
	{"CH-T2", "9", "Phone user count", true, []string{"PhoneUsers"}, []string{"PhoneUserCount"}},
	{"CH-T2", "10", "CM call activity", true, []string{"CallActivity"}, []string{"CallActivity"}},
	{"CH-T2", "11", "Registered device count", false, []string{"RegisteredDevices"}, []string{"RegisteredDeviceCount"}},
	{"CH-T2", "12", "Upgrade history", false, []string{"Upgrades"}, []string{"UpgradeHistory"}},
	{"CH-T2", "13", "System status: host name", false, []string{"Status.HostName"}, []string{"SystemStatus/HostName"}},
	{"CH-T2", "13", "System status: date", true, []string{"Status.Date"}, []string{"SystemStatus/Date"}},
	{"CH-T2", "13", "System status: locale", true, []string{"Status.Locale"}, []string{"SystemStatus/Locale"}},
	{"CH-T2", "13", "System status: product version", true, []string{"Status.ProductVersion"}, []string{"SystemStatus/ProductVersion"}},
	{"CH-T2", "13", "System status: OS version", true, []string{"Status.OSVersion"}, []string{"SystemStatus/OSVersion"}},
	{"CH-T2", "13", "System status: licence MAC", true, []string{"Status.LicenseMAC"}, []string{"SystemStatus/LicenseMAC"}},
	{"CH-T2", "13", "System status: uptime", true, []string{"Status.Uptime"}, []string{"SystemStatus/UptimeSeconds"}},
	{"CH-T2", "13", "System status: MP statistics", false, []string{"Status.Processors"}, []string{"SystemStatus/MPStatistics"}},
	{"CH-T2", "13", "System status: memory used", true, []string{"Status.MemoryUsed"}, []string{"SystemStatus/MemoryUsedKiB"}},
	{"CH-T2", "13", "System status: disk usage", true, []string{"Status.Disks"}, []string{"SystemStatus/DiskUsage"}},
	{"CH-T2", "13", "System status: active partition", true, []string{"Status.ActivePartition"}, []string{"SystemStatus/ActivePartition"}},
	{"CH-T2", "13", "System status: inactive partition", true, []string{"Status.InactivePartition"}, []string{"SystemStatus/InactivePartition"}},
	{"CH-T2", "13", "System status: DNS", false, []string{"Status.DNS"}, []string{"SystemStatus/DNS"}},
}

var configurationTable = []asked{
	{"CH-18", "", "Row count per configuration table", false, []string{"Tables"}, []string{"Tables"}},
	{"CH-18", "", "Whose configuration it is", false, []string{"Serial"}, []string{"SerialNumber"}},
}

// contactTable is what Smart messages of all kinds tell.
var contactTable = []asked{
	{"CH-T4", "", "E-mail address", false, []string{"settings.ContactEmail"}, []string{"SystemInfo/ContactEmail", "CustomerData/UserData/Email"}},
	{"CH-T4", "", "Company", false, []string{"settings.Company"}, []string{"CustomerData/UserData/Company"}},
	{"CH-T4", "", "Contact name", false, []string{"settings.ContactName"}, []string{"SystemInfo/Contact"}},
	{"CH-T4", "", "Address", false, []string{"settings.StreetAddress"}, []string{"SystemInfo/StreetAddress"}},
	{"CH-T4", "", "Phone", false, []string{"settings.Phone"}, []string{"SystemInfo/ContactPhoneNumber"}},
	{"CH-28", "", "Vendor user ID", false, []string{"settings.ContractUser"}, []string{"CustomerData/UserData/ContractUserId"}},
	{"CH-20", "", "Contract", false, []string{"settings.CustomerID", "settings.ContractID", "settings.SiteID"},
		[]string{"CustomerData/ContractData/CustomerId", "CustomerData/ContractData/ContractId", "CustomerData/ContractData/SiteId"}},
	{"CH-21", "", "Node", false, []string{"HostName"}, []string{"SystemInfo/Name"}},
}

// alertTable is what alerts and tests tell of the box (CH-21).
var alertTable = []asked{
	{"CH-21", "", "Addresses of the node", false, []string{"Addresses"}, []string{"ServerIPAddress"}},
	{"CH-21", "", "What it is", false, []string{"Model", "Serial", "ProductID", "ActiveVersion"},
		[]string{"Model", "SerialNumber", "ProductId", "ActiveVersion"}},
}

// tables are what a message of each kind tells.
var tables = map[Kind][]asked{
	Inventory:     slices.Concat(inventoryTable, contactTable),
	Telemetry:     slices.Concat(telemetryTable, contactTable),
	Configuration: slices.Concat(configurationTable, contactTable),
	Alert:         slices.Concat(alertTable, contactTable),
	Test:          slices.Concat(alertTable, contactTable),
}

// planted are values by where they were put.
type planted map[string][]string

// plant puts into every text, number and time of a value one that is nowhere
// else; slices get two elements.
func (p planted) plant(path string, value reflect.Value) {
	next := 0
	for _, values := range p {
		next += len(values)
	}
	switch value.Interface().(type) {
	case time.Time:
		at := time.Date(1990, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, next)
		value.Set(reflect.ValueOf(at))
		p[path] = append(p[path], at.Format("2006-01-02"))
		return
	case time.Duration:
		p[path] = append(p[path], strconv.Itoa(700000000+next))
		value.SetInt(int64(time.Duration(700000000+next) * time.Second))
		return
	}
	switch value.Kind() {
	case reflect.Struct:
		for i := range value.NumField() {
			p.plant(strings.TrimPrefix(path+"."+value.Type().Field(i).Name, "."), value.Field(i))
		}
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 2, 2))
		for i := range value.Len() {
			p.plant(path, value.Index(i))
		}
	case reflect.String:
		text := fmt.Sprintf("planted-%04d", next)
		value.SetString(text)
		p[path] = append(p[path], text)
	case reflect.Int, reflect.Int64:
		value.SetInt(int64(800000000 + next))
		p[path] = append(p[path], strconv.Itoa(800000000+next))
	case reflect.Bool:
	default:
		panic("no way to plant " + path)
	}
}

// under gives the values at a path, and in what is there.
func (p planted) under(path string) (values []string) {
	for at, v := range p {
		if at == path || strings.HasPrefix(at, path+".") {
			values = append(values, v...)
		}
	}
	return values
}

// plantAll gives facts and settings full of planted values. The settings are
// those of a mode nonetheless, and what is planted in the contact of the facts is
// never to be seen.
func plantAll(mode string) (planted, Facts, *model.CallHome) {
	p := planted{}
	var facts Facts
	var settings model.CallHome
	p.plant("", reflect.ValueOf(&facts).Elem())
	p.plant("settings", reflect.ValueOf(&settings).Elem())
	settings.Mode, settings.Traces = mode, mode == model.CallHomeSmart
	return p, facts, &settings
}

var base64Text = regexp.MustCompile(`[A-Za-z0-9+/]{16,}={0,2}`)

// opened is a text with what may be base64 in it decoded behind it.
func opened(text []byte) string {
	out := string(text)
	for _, word := range base64Text.FindAllString(out, -1) {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding} {
			if plain, err := encoding.DecodeString(word); err == nil {
				out += "\n" + string(plain)
			}
		}
	}
	return out
}

// TestPlanted looks for every fact in every form of every message: what a line
// of the requirements lets a mode tell is there, and nothing else.
func TestPlanted(t *testing.T) {
	sends(t, func(t *testing.T, kind Kind, mode string) {
		all, facts, settings := plantAll(mode)
		m, err := New(kind, "CH:"+facts.Serial+":1", sent, settings, facts, event(kind), attachments(kind)...)
		if err != nil {
			t.Fatal(err)
		}
		tells := map[string]bool{} // planted values
		for _, value := range slices.Concat(all.under("Model"), all.under("Serial")) {
			tells[value] = true // "MODEL@C@SERIAL"
		}
		for _, line := range tables[kind] {
			for _, fact := range line.facts {
				if len(all.under(fact)) == 0 {
					t.Fatalf("%s %s: nothing is planted at %s", line.table, line.number, fact)
				}
				for _, value := range all.under(fact) {
					tells[value] = tells[value] || mode == model.CallHomeSmart || line.anonymous
				}
			}
		}
		for form, text := range written(t, m) {
			text := opened(text)
			for path, values := range all {
				for _, value := range values {
					switch found := strings.Contains(text, value); {
					case found && !tells[value]:
						t.Errorf("%s tells %s of %s", form, value, path)
					case !found && tells[value] && form != "short.txt":
						t.Errorf("%s does not tell %s of %s", form, value, path)
					}
				}
			}
		}
	})
}

// TestTables holds every line of the requirements' tables against the fields of a
// message, in both modes.
func TestTables(t *testing.T) {
	sources := map[string][]string{}
	for _, row := range fields {
		sources[row.name] = strings.Split(row.source, ", ")
	}
	for _, mode := range []string{model.CallHomeSmart, model.CallHomeAnonymous} {
		all, facts, settings := plantAll(mode)
		for kind, lines := range tables {
			if !May(kind, mode) {
				continue
			}
			m, err := New(kind, "CH:1:1", sent, settings, facts, event(kind))
			if err != nil {
				t.Fatal(err)
			}
			said := map[string]string{} // by element
			for _, f := range m.Fields {
				said[f.Name] = f.Text
				for _, item := range f.Items {
					said[f.Name] += fmt.Sprint(item)
				}
			}
			allowed := map[string]bool{}
			for _, line := range lines {
				t.Run(strings.Join([]string{mode, string(kind), line.table, line.number, line.title}, " "), func(t *testing.T) {
					may := mode == model.CallHomeSmart || line.anonymous
					together := ""
					for _, element := range line.elements {
						if from := line.table + " " + line.number; line.number != "" && !slices.Contains(sources[element], from) {
							t.Errorf("%s is of %v; want %s, too", element, sources[element], from)
						}
						allowed[element] = allowed[element] || may
						together += said[element]
						if _, there := said[element]; there != may {
							t.Errorf("%s in the message: %t; want %t", element, there, may)
						}
					}
					for _, fact := range line.facts {
						for _, value := range all.under(fact) {
							if strings.Contains(together, value) != may {
								t.Errorf("%v is %q; want %s: %t", line.elements, together, value, may)
							}
						}
					}
				})
			}
			for name := range said {
				if !allowed[name] {
					t.Errorf("%s %s message: no line of the requirements asks for %s", mode, kind, name)
				}
			}
		}
	}
}

// TestFactsAreAsked finds facts that no message tells.
func TestFactsAreAsked(t *testing.T) {
	all, _, _ := plantAll(model.CallHomeSmart)
	asked := map[string]bool{}
	for _, lines := range tables {
		for _, line := range lines {
			for _, fact := range line.facts {
				for _, value := range all.under(fact) {
					asked[value] = true
				}
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(path, "settings.") || strings.HasPrefix(path, "Contact.") {
			continue
		}
		for _, value := range all[path] {
			if !asked[value] {
				t.Errorf("no message tells %s", path)
			}
		}
	}
}
