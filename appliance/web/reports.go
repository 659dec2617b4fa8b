package web

// reportPages are those of the menu Reports.
func reportPages() []*page { return nil }
