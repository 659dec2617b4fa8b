package web

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// troubleshootPages are those of the menu Troubleshoot.
func troubleshootPages() []*page {
	logs := storage.Path{Volume: storage.Harddisk, Name: "log"}
	traces := storage.Path{Volume: storage.Harddisk, Name: "trace"}
	return []*page{
		{
			path: "/troubleshoot/log", title: "Log",
			parts: []part{
				showing{command: "show logging [last LINES] [level LEVEL] [process PROCESS]", title: "Log since boot", every: often,
					preset: constant(map[string]string{"LINES": "100"}), leads: []link{{Path: directoryURL(logs), Title: "Files of the log"}}},
				showing{command: "show debugging", title: "Debug lines", every: often},
				doing{command: "debug PROCESS [minutes MINUTES]", title: "Write debug lines", button: "Begin"},
				doing{command: "no debug PROCESS", title: "Stop debug lines", button: "Stop"},
				showing{command: "show access log [last ENTRIES]", title: "Who logged in, and did what"},
			},
		},
		{
			path: "/troubleshoot/trace", title: "SIP trace",
			parts: []part{
				doing{command: "debug sip trace [address ADDRESS] [call CALL-ID] [method METHOD] [user USER] [transport TRANSPORT] [messages COUNT] [minutes MINUTES] [file FILE]",
					title: "Trace SIP messages", intro: "Of the calls that a message picks which has all that is named; without anything, of all.", button: "Begin"},
				doing{command: "no debug sip trace", title: "Stop the trace", button: "Stop"},
				showing{command: "show sip trace [last COUNT] [call CALL-ID] [ladder]", title: "What was traced", plain: true, every: often,
					preset: constant(map[string]string{"ladder": "ladder", "COUNT": "200"}), leads: []link{{Path: directoryURL(traces), Title: "Files of traces"}}},
			},
		},
		{
			path: "/troubleshoot/failed-calls", title: "Failed calls",
			parts: []part{
				showing{command: "show failed-calls [last COUNT] [rule RULE] [from CALLER]", title: "Failed-calls log", every: seldom,
					leads: []link{{Path: "/configure/limits#part-rate", Title: "Switch it on or off"}, {Path: "/reports/failed-calls", Title: "Report"}}},
				doing{command: "clear failed-calls", title: "Forget the calls that failed", intro: "In the files too.", button: "Forget", danger: true},
			},
		},
		{path: "/troubleshoot/tech-support", title: "Tech support", parts: []part{support{}}},
		{
			path: "/troubleshoot/test-route", title: "Test route",
			parts: []part{doing{
				command: "test route REQUEST-URI [from URI] [network NETWORK] [source ADDRESS] [method METHOD] [time TIME]",
				title:   "Where a request would go, and why", intro: "Nothing is sent.", button: "Test", plain: true,
			}},
		},
		{
			path: "/troubleshoot/network", title: "Ping and look-ups",
			parts: []part{
				doing{command: "ping HOST [repeat COUNT] [size OCTETS] [timeout SECONDS] [source SOURCE]", title: "Ping", button: "Ping", plain: true},
				doing{command: "ping sip HOST [port PORT] [transport TRANSPORT] [count COUNT]", title: "Ping a SIP server",
					intro: "With OPTIONS, one a second.", button: "Ping", plain: true},
				doing{command: "traceroute HOST [source SOURCE]", title: "Traceroute", button: "Trace", plain: true},
				doing{command: "nslookup NAME [type TYPE] [server ADDRESS]", title: "Look up a name", button: "Look up", plain: true},
			},
		},
	}
}

// constant presets the same at any time.
func constant(filled map[string]string) preset {
	return func(context.Context, *visit) (map[string]string, error) { return filled, nil }
}

// support gives away all that whoever helps asks for.
type support struct{}

const supportLine = "show tech-support"

func (support) name() string { return "tech-support" }

func (support) permits(rights model.Rights) error {
	return config.PermitsCommand(rights, supportLine)
}

func (s support) show(context.Context, *visit) (view, error) {
	return view{template: "support", data: s.name()}, nil
}

var errSupports = errors.New("your session fetches tech support already: wait for its end")

// download implements downloader: the file comes as the commands are run, which may
// take minutes on a box that is not well. A session has one at a time: who clicks
// again because nothing has come yet does not make it slower.
func (support) download(ctx context.Context, v *visit) (download, error) {
	run, err := v.runner(supportLine)
	if err != nil {
		return download{}, err
	}
	if !v.session.supports.CompareAndSwap(false, true) {
		return download{}, errSupports
	}
	context.AfterFunc(ctx, func() { v.session.supports.Store(false) }) // which ends with the request
	name := cmp.Or(v.HostName(), "box") + time.Now().UTC().Format("-20060102T150405Z") + "-tech-support.txt"
	return download{name: name, write: func(to io.Writer) error { return run(ctx, v.typed(to)) }}, nil
}
