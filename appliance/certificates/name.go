package certificates

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"causeway/appliance/model"
)

// attributes are the parts of a subject that can be typed, by the words of RFC
// 4514 §3.
var attributes = map[string]func(*pkix.Name) *[]string{
	"O":  func(n *pkix.Name) *[]string { return &n.Organization },
	"OU": func(n *pkix.Name) *[]string { return &n.OrganizationalUnit },
	"L":  func(n *pkix.Name) *[]string { return &n.Locality },
	"ST": func(n *pkix.Name) *[]string { return &n.Province },
	"C":  func(n *pkix.Name) *[]string { return &n.Country },
}

// parseSubject reads a subject: "CN=sip.example.com,O=Example,C=DE". A comma in
// a value stands behind a backslash.
func parseSubject(text string) (pkix.Name, error) {
	var name pkix.Name
	for _, part := range splitEscaped(text) {
		word, value, found := strings.Cut(part, "=")
		word, value = strings.ToUpper(strings.TrimSpace(word)), strings.TrimSpace(value)
		list := attributes[word]
		switch {
		case !found || value == "":
			return name, fmt.Errorf("%q is no part of a subject like CN=x,O=Example", strings.TrimSpace(part))
		case !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }):
			return name, fmt.Errorf("%s has a character that cannot be printed", word)
		case len(value) > 64: // X.520's upper bounds
			return name, fmt.Errorf("%s has more than 64 octets", word)
		case word == "C" && len(value) != 2:
			return name, errors.New("the country (C) is two letters (ISO 3166)")
		case word == "CN" && name.CommonName == "":
			name.CommonName = value
		case list != nil && *list(&name) == nil:
			*list(&name) = []string{value}
		default:
			return name, fmt.Errorf("%s stands twice, or is none of CN, O, OU, L, ST, C", word)
		}
	}
	return name, nil
}

// splitEscaped splits at commas that no backslash stands before.
func splitEscaped(text string) []string {
	var parts []string
	var part strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			part.WriteByte(text[i])
		case text[i] == ',':
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(text[i])
		}
	}
	return append(parts, part.String())
}

// nameOf is a subject or issuer as people read it.
func nameOf(n pkix.Name) string {
	if text := n.String(); text != "" {
		return text
	}
	return "(no name)"
}

// names are what a certificate is for (RFC 5280 §4.2.1.6).
type names struct {
	dns       []string
	addresses []net.IP
	uris      []*url.URL
}

// namesFor makes names of hosts and addresses. A certificate of SIP names the
// SIP domains too, since peers go by these where there are any (RFC 5922 §7.1).
func namesFor(purpose model.Purpose, hosts []string) names {
	var n names
	for _, host := range hosts {
		if address, err := netip.ParseAddr(host); err == nil {
			n.addresses = append(n.addresses, address.AsSlice())
			continue
		}
		n.dns = append(n.dns, host)
		if purpose == model.ForSIP {
			n.uris = append(n.uris, &url.URL{Scheme: "sip", Opaque: host})
		}
	}
	return n
}

// namesIn gives the names of a certificate as people read them: "DNS:a.example".
func namesIn(c *x509.Certificate) (list []string) {
	for _, name := range c.DNSNames {
		list = append(list, "DNS:"+name)
	}
	for _, address := range c.IPAddresses {
		list = append(list, "IP:"+address.String())
	}
	for _, uri := range c.URIs {
		list = append(list, "URI:"+uri.String())
	}
	for _, mail := range c.EmailAddresses {
		list = append(list, "email:"+mail)
	}
	return slices.Clip(list)
}
