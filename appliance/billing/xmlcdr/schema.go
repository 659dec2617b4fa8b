package xmlcdr

import "embed"

// Schemas has cdr.xsd and cdr.dtd, which say what stands in a file, for those
// who read them.
//
//go:embed cdr.xsd cdr.dtd
var Schemas embed.FS
