package lab

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
)

// DropTCP has nftables in the namespace drop what comes to those TCP ports, and
// nothing else from then on; without ports, nothing. Who has sent it waits.
func (n *Namespace) DropTCP(ports ...uint16) error {
	rules := "table inet lab\ndelete table inet lab\n"
	if len(ports) > 0 {
		set := strings.ReplaceAll(strings.Trim(fmt.Sprint(ports), "[]"), " ", ", ")
		rules += "table inet lab { chain input { type filter hook input priority 0; tcp dport { " + set + " } drop; }; }\n"
	}
	command := exec.Command("nft", "-f", "-")
	var output bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(rules), &output, &output
	err := n.Start(command)
	if err == nil {
		err = command.Wait()
	}
	if err != nil {
		return fmt.Errorf("drop TCP ports %v: %w: %s", ports, err, output.Bytes())
	}
	return nil
}
