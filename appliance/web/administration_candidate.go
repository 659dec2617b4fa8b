package web

// historyPath is where Manage Configuration is.
const historyPath = "/administration/configuration"

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
			intro: "Earlier revisions of the configuration, each with what putting it in force again would change.",
			parts: []part{history{}, revision{}},
		},
	}
}
