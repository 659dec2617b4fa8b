package board

// The names of the disk's partitions (PARTLABEL): what the image writes and
// init looks for.
const (
	PartitionESPA      = "esp-a"     // the EFI system partition of slot A
	PartitionESPB      = "esp-b"     // of slot B
	PartitionBootflash = "bootflash" // bootflash:
	PartitionHarddisk  = "harddisk"  // harddisk:
	PartitionInstaller = "installer" // the EFI system partition of an installer
)

// The GUIDs of the EFI system partitions (PARTUUID), the same on every disk: by them
// boot entries find a slot, and a running system knows which one it was started from.
const (
	GUIDESPA      = "46E62606-7198-4485-BD4F-AA2C34D7D4CC"
	GUIDESPB      = "4F93101B-5D8F-476F-A8EE-2A77414D8322"
	GUIDInstaller = "C580528F-6E96-45E9-8B79-0991605E2403"
)
