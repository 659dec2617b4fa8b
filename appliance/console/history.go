package console

// history are the last commands that were typed, oldest first. It is x/term's
// History; x/term adds nothing to it, as it does not know a command from the
// answer to a question.
type history struct{ lines []string }

// historyMax is how many commands are remembered.
const historyMax = 100

// remember keeps a command, unless it is the last one again.
func (h *history) remember(line string) {
	if n := len(h.lines); n > 0 && h.lines[n-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	if len(h.lines) > historyMax {
		h.lines = h.lines[1:]
	}
}

// Add does nothing: see remember.
func (h *history) Add(string) {}

// Len gives the number of commands.
func (h *history) Len() int { return len(h.lines) }

// At gives a command; 0 is the last one.
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }
