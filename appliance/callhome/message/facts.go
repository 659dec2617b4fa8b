package message

import "time"

// Facts are all that a message may tell of the box. What of them goes into a
// message is for the table of fields to say, by its kind and mode: nobody else
// picks. What is not known is left at its zero value.
type Facts struct {
	Contact Contact // of the settings that the message is made by: New fills it in

	// Inventory (CH-T1).
	HostName        string
	Addresses       []string // of LAN1 and LAN2, with their prefix lengths
	LicenseServer   string   // its URL
	OSVersion       string   // of the kernel
	Model           string   // of the board
	Serial          string   // of the box, 11 characters
	CPU             string   // model
	CPUs            int
	CPUSpeed        int   // MHz; 0: the hardware does not tell
	RAM             int64 // KiB
	Partitions      []Partition
	Firmware        string // of the board: "UEFI 2.70 by EDK II"
	BIOSVersion     string
	BIOSInformation string // vendor and date
	RAID            string // "none", or the arrays
	Services        []Service
	ProductID       string
	ShortName       string // of the product
	ActiveVersion   string
	InactiveVersion string // of the other slot; empty: there is none

	// Telemetry (CH-T2). What stands for what is in package callhome.
	Users             int // accounts of this box
	Devices           []Device
	PhoneUsers        int     // the most calls at a time
	CallActivity      []Count // of the last month
	RegisteredDevices int
	Upgrades          []Upgrade // oldest first
	Status            Status

	// Configuration (CH-18).
	Tables []Count // rows of each table of the configuration
}

// Contact is who is to be asked about the box.
type Contact struct {
	Email, Phone, Name, Company, StreetAddress   string
	ContractUser, CustomerID, ContractID, SiteID string
}

// Partition is a part of the disk.
type Partition struct {
	Name       string // "slot A", "bootflash"
	FileSystem string
	Size, Used int64 // KiB
}

// Service is a process of the box.
type Service struct {
	Name, State string // "proxy", "up"
	Restarts    int
}

// Device is a kind of neighbour, and how many there are.
type Device struct {
	Type, Model string
	Count       int
}

// Count is a number with a name.
type Count struct {
	Name  string
	Count int64
}

// Upgrade is a version that the box began to run at a time.
type Upgrade struct {
	Version string
	At      time.Time
}

// Status is the system status of CH-T2, row 13.
type Status struct {
	HostName          string
	Date              time.Time
	Locale            string
	ProductVersion    string
	OSVersion         string
	LicenseMAC        string // of LAN1, by which licences know the box
	Uptime            time.Duration
	Processors        []Count // percent of each that was busy
	MemoryUsed        int64   // KiB
	Disks             []Partition
	ActivePartition   string // "slot A, 43 MB of 64 MB"
	InactivePartition string
	DNS               []string // name servers
}
