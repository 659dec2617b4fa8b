package web

// Where Manage Configuration and Control Panel are.
const (
	historyPath = "/administration/configuration"
	panelPath   = "/administration/control-panel"
)

// candidatePages are those of Administration that are about the configuration as a
// whole, and about who works on it.
func candidatePages() []*page {
	return []*page{
		{
			path: candidatePath, title: "Candidate Preview",
			intro: "What operators change, here and at the console, is a candidate until it is committed.",
			parts: []part{pendingCommit{}, candidateChanges{}, candidateLines{}},
		},
		{
			path: historyPath, title: "Manage Configuration",
			intro: "Earlier revisions of the configuration, and other texts of it as a whole.",
			parts: []part{history{}, revision{}, loading{}, defaults{}, erasing{}},
		},
	}
}
