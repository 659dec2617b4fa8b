package routing

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The bounds of a route file.
const (
	maxFileRoutes = 100_000
	maxFileBytes  = 16 << 20
	maxFileLine   = 1024
)

// routeLine is a route and the line of its file.
type routeLine struct {
	model.Route
	number int
}

// readRouteFile reads the routes of a file: one "key …" line each, as it is
// typed in a route table. Empty lines and those that begin with ! are nothing.
// The error names file and line.
func (r *Router) readRouteFile(path string) (routes []routeLine, err error) {
	file, err := r.options.OpenFile(path)
	if err != nil {
		return nil, fmt.Errorf("open route file %s: %w", path, err)
	}
	defer file.Close()
	lines := bufio.NewScanner(io.LimitReader(file, maxFileBytes+1))
	lines.Buffer(make([]byte, 0, maxFileLine), maxFileLine)
	vocabulary, err := config.NewVocabulary(keyForms())
	if err != nil {
		return nil, err
	}
	number, read := 0, 0
	fault := func(err error) ([]routeLine, error) {
		return nil, fmt.Errorf("%s line %d: %w", path, number, err)
	}
	for lines.Scan() {
		number++
		if read += len(lines.Bytes()) + 1; read > maxFileBytes {
			return fault(fmt.Errorf("the file is larger than %d octets", maxFileBytes))
		}
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '!' {
			continue
		}
		route, err := parseRoute(vocabulary, text)
		if err != nil {
			return fault(err)
		}
		if len(routes) == maxFileRoutes {
			return fault(fmt.Errorf("the file has more than %d routes", maxFileRoutes))
		}
		routes = append(routes, routeLine{route, number})
	}
	if err := lines.Err(); err != nil {
		number++
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("longer than %d octets", maxFileLine)
		}
		return fault(err)
	}
	return routes, nil
}

// parseRoute reads one line.
func parseRoute(v *config.Vocabulary, line string) (model.Route, error) {
	match, err := v.Match(line)
	if err != nil {
		var wrong *config.Error
		if errors.As(err, &wrong) {
			err = fmt.Errorf("column %d: %s", wrong.Column, wrong.Rule)
		}
		return model.Route{}, err
	}
	return keyRoute(match), nil
}
