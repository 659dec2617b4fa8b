package callhomed

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// checking is how long xmllint may take.
const checking = 30 * time.Second

// read reads a message in XML or JSON. XML must be as the schema has it.
func (s *Server) read(format string, text []byte) (Message, error) {
	if format == "json" {
		return readJSON(text)
	}
	m, err := readXML(text)
	if err == nil && s.options.Schema != "" {
		err = validate(s.options.Schema, text)
	}
	return m, err
}

// validate has xmllint (Debian package libxml2-utils) hold XML against a schema.
func validate(schema string, text []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), checking)
	defer cancel()
	command := exec.CommandContext(ctx, "xmllint", "--nonet", "--huge", "--noout", "--schema", schema, "-")
	command.Stdin = bytes.NewReader(text)
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("xmllint: %w: %s", err, strings.TrimSpace(string(said[:min(len(said), 2000)])))
	}
	return nil
}
