package message

import (
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
)

// Opener opens the file of a trace (Attachment.File).
type Opener func(file string) (io.ReadCloser, error)

// Why a message has no more than the path of a trace.
const (
	reasonGone   = "gone"
	reasonLarge  = "larger than 3 MiB"
	reasonUnread = "cannot be read"
)

// tree is what the message carries of an attachment: all, or the path of what is
// not there or too large, and why.
func (a *Attachment) tree(open Opener) node {
	n := node{name: "Attachment", nodes: []node{{name: "Name", text: a.Name}, {name: "Type", text: a.Type}}}
	if a.File == "" {
		n.nodes = append(n.nodes, node{name: "MimeType", text: "text/plain"},
			node{name: "Encoding", text: "plain"}, node{name: "Data", text: a.Text})
		return n
	}
	n.nodes = append(n.nodes, node{name: "Path", text: a.Path})
	data, reason := a.read(open)
	if reason != "" {
		n.nodes = append(n.nodes, node{name: "Reason", text: reason})
		return n
	}
	n.nodes = append(n.nodes, node{name: "MimeType", text: "application/octet-stream"},
		node{name: "Encoding", text: "base64"}, node{name: "Data", text: base64.StdEncoding.EncodeToString(data)})
	return n
}

// read gives the trace, or why it is not in the message.
func (a *Attachment) read(open Opener) (data []byte, reason string) {
	file, err := open(a.File)
	if err == nil {
		defer file.Close()
		// A file that grows is read no further than it takes to see that it is too
		// large.
		data, err = io.ReadAll(io.LimitReader(file, InlineMost+1))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, reasonGone
	case err != nil:
		return nil, reasonUnread
	case len(data) > InlineMost:
		return nil, reasonLarge
	}
	return data, ""
}
