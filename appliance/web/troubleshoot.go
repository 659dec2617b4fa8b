package web

// troubleshootPages are those of the menu Troubleshoot.
func troubleshootPages() []*page { return nil }
