package message

import (
	"slices"
	"strconv"
	"time"
)

// field is a row of the table: what a message tells, and which may.
type field struct {
	source    string // what asks for it: rows of the tables of the requirements
	name      string // of its element, below those before a "/"
	kinds     []Kind // that have it
	anonymous bool   // an Anonymous one, too
	take      func(*Facts) Field
}

var (
	all     = []Kind{Inventory, Telemetry, Configuration, Alert, Test}
	monthly = []Kind{Inventory, Telemetry}
	server  = []Kind{Inventory, Alert, Test} // what an alert tells of the box, too
)

// fields is the table. Two lines of the requirements may be one row (the contact
// of both tables), and one line several (the system status).
var fields = []field{
	{"CH-T1 1, CH-T2 1", "CustomerData/UserData/Email", all, false, text(func(f *Facts) string { return f.Contact.Email })},
	{"CH-28", "CustomerData/UserData/ContractUserId", all, false, text(func(f *Facts) string { return f.Contact.ContractUser })},
	{"CH-T4", "CustomerData/UserData/Company", all, false, text(func(f *Facts) string { return f.Contact.Company })},
	{"CH-20", "CustomerData/ContractData/CustomerId", all, false, text(func(f *Facts) string { return f.Contact.CustomerID })},
	{"CH-20", "CustomerData/ContractData/ContractId", all, false, text(func(f *Facts) string { return f.Contact.ContractID })},
	{"CH-20", "CustomerData/ContractData/SiteId", all, false, text(func(f *Facts) string { return f.Contact.SiteID })},
	{"CH-T1 4, CH-T2 4", "SystemInfo/Name", all, false, text(func(f *Facts) string { return f.HostName })},
	{"CH-T4", "SystemInfo/Contact", all, false, text(func(f *Facts) string { return f.Contact.Name })},
	{"CH-T1 1, CH-T2 1", "SystemInfo/ContactEmail", all, false, text(func(f *Facts) string { return f.Contact.Email })},
	{"CH-T1 2, CH-T2 2", "SystemInfo/ContactPhoneNumber", all, false, text(func(f *Facts) string { return f.Contact.Phone })},
	{"CH-T1 3, CH-T2 3", "SystemInfo/StreetAddress", all, false, text(func(f *Facts) string { return f.Contact.StreetAddress })},

	{"CH-T1 5", "ServerIPAddress", server, false, addresses(func(f *Facts) []string { return f.Addresses })},
	{"CH-T1 6", "LicenseServer", []Kind{Inventory}, false, text(func(f *Facts) string { return f.LicenseServer })},
	{"CH-T1 7", "OSVersion", []Kind{Inventory}, true, text(func(f *Facts) string { return f.OSVersion })},
	{"CH-T1 8", "Model", server, true, text(func(f *Facts) string { return f.Model })},
	{"CH-T1 9, CH-T2 6", "SerialNumber", all, true, text(func(f *Facts) string { return f.Serial })},
	{"CH-T1 10", "CPUSpeed", []Kind{Inventory}, true, processor},
	{"CH-T1 11", "RAMKiB", []Kind{Inventory}, true, text(func(f *Facts) string { return known(f.RAM) })},
	{"CH-T1 12", "StoragePartitions", []Kind{Inventory}, true, partitions(func(f *Facts) []Partition { return f.Partitions })},
	{"CH-T1 13", "FirmwareVersion", []Kind{Inventory}, true, text(func(f *Facts) string { return f.Firmware })},
	{"CH-T1 14", "BIOSVersion", []Kind{Inventory}, true, text(func(f *Facts) string { return f.BIOSVersion })},
	{"CH-T1 15", "BIOSInformation", []Kind{Inventory}, true, text(func(f *Facts) string { return f.BIOSInformation })},
	{"CH-T1 16", "RAIDConfiguration", []Kind{Inventory}, true, text(func(f *Facts) string { return f.RAID })},
	{"CH-T1 17", "ActiveServices", []Kind{Inventory}, true, services},
	// The box is alone, and therefore its own publisher (CH-45).
	{"CH-T1 18, CH-T2 7", "PublisherName", monthly, false, text(func(f *Facts) string { return f.HostName })},
	{"CH-T1 19", "PublisherIP", []Kind{Inventory}, false, addresses(func(f *Facts) []string { return f.Addresses })},
	{"CH-T1 20", "ProductId", server, true, text(func(f *Facts) string { return f.ProductID })},
	{"CH-T1 21", "ActiveVersion", server, true, text(func(f *Facts) string { return f.ActiveVersion })},
	{"CH-T1 22", "InactiveVersion", []Kind{Inventory}, true, text(func(f *Facts) string { return f.InactiveVersion })},
	{"CH-T1 23", "ProductShortName", []Kind{Inventory}, true, text(func(f *Facts) string { return f.ShortName })},

	{"CH-T2 5", "CMUserCount", []Kind{Telemetry}, false, text(func(f *Facts) string { return strconv.Itoa(f.Users) })},
	{"CH-T2 8", "DeviceCounts", []Kind{Telemetry}, true, devices},
	{"CH-T2 9", "PhoneUserCount", []Kind{Telemetry}, true, text(func(f *Facts) string { return strconv.Itoa(f.PhoneUsers) })},
	{"CH-T2 10", "CallActivity", []Kind{Telemetry}, true, counts("Count", func(f *Facts) []Count { return f.CallActivity })},
	{"CH-T2 11", "RegisteredDeviceCount", []Kind{Telemetry}, false, text(func(f *Facts) string { return strconv.Itoa(f.RegisteredDevices) })},
	{"CH-T2 12", "UpgradeHistory", []Kind{Telemetry}, false, upgrades},
	{"CH-T2 13", "SystemStatus/HostName", []Kind{Telemetry}, false, text(func(f *Facts) string { return f.Status.HostName })},
	{"CH-T2 13", "SystemStatus/Date", []Kind{Telemetry}, true, text(func(f *Facts) string { return moment(f.Status.Date) })},
	{"CH-T2 13", "SystemStatus/Locale", []Kind{Telemetry}, true, text(func(f *Facts) string { return f.Status.Locale })},
	{"CH-T2 13", "SystemStatus/ProductVersion", []Kind{Telemetry}, true, text(func(f *Facts) string { return f.Status.ProductVersion })},
	{"CH-T2 13", "SystemStatus/OSVersion", []Kind{Telemetry}, true, text(func(f *Facts) string { return f.Status.OSVersion })},
	{"CH-T2 13", "SystemStatus/LicenseMAC", []Kind{Telemetry}, true, text(func(f *Facts) string { return f.Status.LicenseMAC })},
	{"CH-T2 13", "SystemStatus/UptimeSeconds", []Kind{Telemetry}, true, text(func(f *Facts) string { return known(int64(f.Status.Uptime / time.Second)) })},
	{"CH-T2 13", "SystemStatus/MPStatistics", []Kind{Telemetry}, false, counts("BusyPercent", func(f *Facts) []Count { return f.Status.Processors })},
	{"CH-T2 13", "SystemStatus/MemoryUsedKiB", []Kind{Telemetry}, true, text(func(f *Facts) string { return known(f.Status.MemoryUsed) })},
	{"CH-T2 13", "SystemStatus/DiskUsage", []Kind{Telemetry}, true, partitions(func(f *Facts) []Partition { return f.Status.Disks })},
	{"CH-T2 13", "SystemStatus/ActivePartition", []Kind{Telemetry}, true, text(func(f *Facts) string { return f.Status.ActivePartition })},
	{"CH-T2 13", "SystemStatus/InactivePartition", []Kind{Telemetry}, true, text(func(f *Facts) string { return f.Status.InactivePartition })},
	{"CH-T2 13", "SystemStatus/DNS", []Kind{Telemetry}, false, addresses(func(f *Facts) []string { return f.Status.DNS })},

	{"CH-18", "Tables", []Kind{Configuration}, false, counts("RowCount", func(f *Facts) []Count { return f.Tables })},
}

// take gives the fields of a message. What is not known is left out.
func take(kind Kind, anonymous bool, facts *Facts) (taken []Field) {
	for _, row := range fields {
		if !slices.Contains(row.kinds, kind) || anonymous && !row.anonymous {
			continue
		}
		if f := row.take(facts); f.Text != "" || len(f.Items) > 0 {
			f.Name = row.name
			taken = append(taken, f)
		}
	}
	return taken
}

// numbers are what the names of numbers end in.
var numbers = []string{"Count", "KiB", "MHz", "Percent", "Seconds", "Restarts", "Repeated", "Schema"}

// known is a number, of which 0 says that it is not known.
func known(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// moment is a time as XML and JSON have it; the zero one is not known.
func moment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Format(time.RFC3339)
}

func text(of func(*Facts) string) func(*Facts) Field {
	return func(f *Facts) Field { return Field{Text: of(f)} }
}

// list makes an item of each element; what is empty of an item is left out.
func list[E any](elements []E, item func(E) Item) (f Field) {
	for _, element := range elements {
		pairs := slices.DeleteFunc(item(element), func(p Pair) bool { return p.Text == "" })
		if len(pairs) > 0 {
			f.Items = append(f.Items, pairs)
		}
	}
	return f
}

func addresses(of func(*Facts) []string) func(*Facts) Field {
	return func(f *Facts) Field {
		return list(of(f), func(address string) Item { return Item{{"Address", address}} })
	}
}

func counts(unit string, of func(*Facts) []Count) func(*Facts) Field {
	return func(f *Facts) Field {
		return list(of(f), func(c Count) Item {
			return Item{{"Name", c.Name}, {unit, strconv.FormatInt(c.Count, 10)}}
		})
	}
}

func partitions(of func(*Facts) []Partition) func(*Facts) Field {
	return func(f *Facts) Field {
		return list(of(f), func(p Partition) Item {
			return Item{
				{"Name", p.Name}, {"FileSystem", p.FileSystem},
				{"SizeKiB", strconv.FormatInt(p.Size, 10)}, {"UsedKiB", strconv.FormatInt(p.Used, 10)},
			}
		})
	}
}

func processor(f *Facts) Field {
	return list([]*Facts{f}, func(f *Facts) Item {
		return Item{{"Model", f.CPU}, {"Count", known(int64(f.CPUs))}, {"SpeedMHz", known(int64(f.CPUSpeed))}}
	})
}

func services(f *Facts) Field {
	return list(f.Services, func(s Service) Item {
		return Item{{"Name", s.Name}, {"State", s.State}, {"Restarts", strconv.Itoa(s.Restarts)}}
	})
}

func devices(f *Facts) Field {
	return list(f.Devices, func(d Device) Item {
		return Item{{"Type", d.Type}, {"Model", d.Model}, {"Count", strconv.Itoa(d.Count)}}
	})
}

func upgrades(f *Facts) Field {
	return list(f.Upgrades, func(u Upgrade) Item {
		return Item{{"Version", u.Version}, {"Time", moment(u.At)}}
	})
}
