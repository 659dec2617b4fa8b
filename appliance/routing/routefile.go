package routing

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The bounds of a route file.
const (
	maxFileRoutes = 100_000
	maxFileBytes  = 16 << 20
	maxFileLine   = 1024
)

// readRouteFile reads a file and gives each of its routes to take: one "key …"
// line each, as it is typed in a route table. Empty lines and those that begin
// with ! are nothing. It ends at the first fault, also of take, which must not
// keep the pointer; the error names file and line.
func (r *Router) readRouteFile(path string, take func(*model.Route) error) error {
	file, err := r.options.OpenFile(path)
	if err != nil {
		return fmt.Errorf("open route file %s: %w", path, err)
	}
	defer file.Close()
	lines := bufio.NewScanner(io.LimitReader(file, maxFileBytes+1))
	lines.Buffer(make([]byte, maxFileLine), maxFileLine)
	parser, err := newRouteParser()
	if err != nil {
		return err
	}
	var route model.Route // one, or each would go to the heap for take
	number, octets, routes := 0, 0, 0
	fault := func(err error) error { return fmt.Errorf("%s line %d: %w", path, number, err) }
	for lines.Scan() {
		number++
		if octets += len(lines.Bytes()) + 1; octets > maxFileBytes {
			return fault(fmt.Errorf("the file is larger than %d octets", maxFileBytes))
		}
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == '!' {
			continue
		}
		if routes++; routes > maxFileRoutes {
			return fault(fmt.Errorf("the file has more than %d routes", maxFileRoutes))
		}
		if route, err = parser.parse(line); err == nil {
			err = take(&route)
		}
		if err != nil {
			return fault(err)
		}
	}
	if err := lines.Err(); err != nil {
		number++
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("longer than %d octets", maxFileLine)
		}
		return fault(err)
	}
	return nil
}

// routeParser reads the lines of one route file. The vocabulary takes 2 KB of
// memory for a line, and the many routes of a file lead to few destinations:
// the words of one that a line had already are not read again.
type routeParser struct {
	vocabulary *config.Vocabulary
	known      map[string]model.Destination // by the words after the key
}

// maxKnown is how many destinations a parser remembers: more than there are
// servers, groups, policies and adjacencies. They take 1 MB or so.
const maxKnown = 4096

func newRouteParser() (*routeParser, error) {
	vocabulary, err := config.NewVocabulary(keyForms())
	if err != nil {
		return nil, err
	}
	return &routeParser{vocabulary: vocabulary, known: make(map[string]model.Destination)}, nil
}

// parse reads one line that has no blanks around it.
func (p *routeParser) parse(line []byte) (model.Route, error) {
	key, words := splitRoute(line)
	if d, known := p.known[string(words)]; known {
		return model.Route{Key: string(key), Destination: d}, nil
	}
	match, err := p.vocabulary.Match(string(line))
	if err != nil {
		var wrong *config.Error
		if errors.As(err, &wrong) {
			err = fmt.Errorf("column %d: %s", wrong.Column, wrong.Rule)
		}
		return model.Route{}, err
	}
	route := keyRoute(match)
	if len(words) > 0 && len(p.known) < maxKnown {
		p.known[string(words)] = route.Destination
	}
	return route, nil
}

// splitRoute cuts a line into its key and the words after it. There are none
// if the line does not begin with the whole word key, or its key is no plain
// one: what comes of such a line the vocabulary says.
func splitRoute(line []byte) (key, words []byte) {
	rest, found := bytes.CutPrefix(line, []byte("key "))
	rest = bytes.TrimLeft(rest, " \t")
	end := bytes.IndexAny(rest, " \t")
	if !found || end < 0 || end > keyMax || bytes.ContainsFunc(rest[:end], func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, nil
	}
	return rest[:end], bytes.TrimLeft(rest[end:], " \t")
}
