package web

// systemPages are those of the menu System.
func systemPages() []*page { return nil }
