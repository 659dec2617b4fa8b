package web

// administrationPages are those of the menu Administration.
func administrationPages() []*page { return nil }
