package lab

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/netip"
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
// question that it understands; nmap knows those of the usual ports, such as
// 53, 67, 123 and 5060.
func (n *Namespace) Scan(ctx context.Context, peers *Peers, address netip.Addr, tcp, udp string) (Scan, error) {
	args := []string{"--datadir", filepath.Join(peers.Root, "usr/share/nmap"), "-n", "-Pn", "-oX", "-",
		"-T4", "--max-retries", "2", "--min-rate", "1000"}
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
