package board

// The names of the disk's partitions (PARTLABEL): what the image writes and
// init looks for.
const (
	PartitionESPA      = "esp-a"     // the EFI system partition of slot A
	PartitionESPB      = "esp-b"     // of slot B
	PartitionBootflash = "bootflash" // bootflash:
	PartitionHarddisk  = "harddisk"  // harddisk:
)
