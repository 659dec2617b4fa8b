package license

import (
	"fmt"
	"io"
	"strings"

	"causeway/appliance/license/ela"
	"causeway/appliance/storage"
)

// write makes a request and puts it into a file, for a server that is not
// reached over a network. Its answer comes by read.
func (a *Agent) write(o order, file storage.Path) (text string, err error) {
	config, err := a.ready(o)
	if err != nil {
		return "", err
	}
	to, err := a.options.Files.Create(file, 0, false)
	if err != nil {
		return "", err
	}
	r, err := a.compose(config, o)
	if err == nil {
		a.update(func(moment) { a.facts.Saved, a.dirty = &r.asked, true })
		a.save()
		var content []byte
		if content, err = r.File(r.signer); err == nil {
			_, err = to.WriteAt(content, 0)
		}
	}
	if err != nil {
		to.Abort(err)
		return "", fmt.Errorf("save the request: %w", err)
	}
	if err := to.Close(); err != nil {
		return "", fmt.Errorf("save the request: %w", err)
	}
	return fmt.Sprintf("Saved as %v. Bring it to the licence server within %d days, and its answer here: license smart import.", file, ela.FileAge/day), nil
}

// read takes the answer to the request that was written last.
func (a *Agent) read(file storage.Path) (text string, err error) {
	var to *asked
	a.update(func(moment) { to = a.facts.Saved })
	if to == nil {
		return "", errNothingSaved
	}
	from, err := a.options.Files.Open(file)
	if err != nil {
		return "", err
	}
	defer from.Close()
	content, err := io.ReadAll(io.LimitReader(from, ela.MaxMessage+1))
	if err != nil {
		return "", fmt.Errorf("read %v: %w", file, err)
	}
	answer, err := ela.ReadFile(content, to.Fits, a.options.Clock.Now())
	if err == nil {
		text, err = a.accept(*to, answer, a.options.Clock.Raise) // which may be weeks old
	}
	if err != nil {
		err = told{error: err}
		a.failed(to.Kind, err)
		return "", fmt.Errorf("the answer in %v: %w", file, err)
	}
	return text, nil
}

// named is the file of a name, with the ending that such files have.
func named(name, ending string) (storage.Path, error) {
	if !strings.HasSuffix(name, ending) {
		name += ending
	}
	return storage.ParsePath(name)
}
