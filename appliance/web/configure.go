package web

// configurePages are those of the menu Configure.
func configurePages() []*page { return nil }
