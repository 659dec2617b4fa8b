package lab

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Scan is what nmap found out about the ports of one address.
type Scan struct {
	// Open are the ports that answered, "tcp 22", those of TCP first.
	Open []string
	// Count is how many ports are in each state, by nmap's names: "open",
	// "closed" (something said that nobody listens), "filtered" (silent), and
	// "open|filtered". The last is any UDP port that is silent: whether its
	// packets are dropped or nobody answers them, nmap cannot tell.
	Count map[string]int
}

// Scan has nmap look at ports of an address: those of TCP and of UDP each in
// nmap's writing, "1-1024,5060"; empty: none. A UDP service answers only a
// question that it understands; nmap has those of the usual ports, such as 53,
// 67 and 123, and gets one for 5060. dir is an empty folder for its files.
func (n *Namespace) Scan(ctx context.Context, peers *Peers, dir string, address netip.Addr, tcp, udp string) (Scan, error) {
	if err := giveQuestions(peers, dir, address); err != nil {
		return Scan{}, fmt.Errorf("prepare nmap: %w", err)
	}
	args := []string{"--datadir", dir, "-n", "-Pn", "-oX", "-", "-T4", "--max-retries", "2", "--min-rate", "2000",
		"--initial-rtt-timeout", "1s", "--min-rtt-timeout", "1s"} // a machine that is emulated takes its time
	var ports []string
	for _, protocol := range []struct{ option, letter, ports string }{{"-sS", "T:", tcp}, {"-sU", "U:", udp}} {
		if protocol.ports != "" {
			args = append(args, protocol.option)
			ports = append(ports, protocol.letter+protocol.ports)
		}
	}
	if address.Is6() {
		args = append(args, "-6")
	}
	command, err := peers.Command(ctx, "nmap", append(args, "-p", strings.Join(ports, ","), address.String())...)
	if err != nil {
		return Scan{}, err
	}
	var output, complaint bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaint
	if err := n.Start(command); err != nil {
		return Scan{}, fmt.Errorf("start nmap: %w", err)
	}
	if err := command.Wait(); err != nil {
		return Scan{}, fmt.Errorf("nmap %s: %w: %s", address, err, complaint.Bytes())
	}
	return parseScan(output.Bytes())
}

// sipQuestion has nmap ask UDP port 5060 of an address for its options (RFC 3261
// §11); the answer goes where the question came from (RFC 3581).
const sipQuestion = `
udp 5060
  "OPTIONS sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP nmap.invalid;branch=z9hG4bK-nmap;rport\r\n"
  "From: <sip:nmap@nmap.invalid>;tag=nmap\r\nTo: <sip:%[1]s>\r\nCall-ID: nmap\r\nCSeq: 1 OPTIONS\r\n"
  "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
`

// giveQuestions fills dir with nmap's data, and that question.
func giveQuestions(peers *Peers, dir string, address netip.Addr) error {
	const questions = "nmap-payloads"
	files, err := peers.Glob("usr/share/nmap/nmap-*")
	if err != nil {
		return err
	}
	for _, file := range files {
		to := filepath.Join(dir, filepath.Base(file))
		if filepath.Base(file) != questions {
			if err := os.Symlink(file, to); err != nil {
				return err
			}
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		host := address.String()
		if address.Is6() {
			host = "[" + host + "]"
		}
		if err := os.WriteFile(to, append(text, fmt.Sprintf(sipQuestion, host)...), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// parseScan reads nmap's XML: ports in a state that many are in are counted
// there and not listed.
func parseScan(text []byte) (Scan, error) {
	var run struct {
		Host []struct {
			Many []struct {
				State string `xml:"state,attr"`
				Count int    `xml:"count,attr"`
			} `xml:"ports>extraports"`
			Ports []struct {
				Protocol string `xml:"protocol,attr"`
				Number   int    `xml:"portid,attr"`
				State    struct {
					State string `xml:"state,attr"`
				} `xml:"state"`
			} `xml:"ports>port"`
		} `xml:"host"`
	}
	if err := xml.Unmarshal(text, &run); err != nil {
		return Scan{}, fmt.Errorf("read what nmap found: %w", err)
	}
	if len(run.Host) != 1 {
		return Scan{}, fmt.Errorf("nmap tells of %d hosts; want one", len(run.Host))
	}
	scan := Scan{Count: map[string]int{}}
	for _, many := range run.Host[0].Many {
		scan.Count[many.State] += many.Count
	}
	for _, port := range run.Host[0].Ports {
		scan.Count[port.State.State]++
		if port.State.State == "open" {
			scan.Open = append(scan.Open, fmt.Sprintf("%s %d", port.Protocol, port.Number))
		}
	}
	return scan, nil
}
