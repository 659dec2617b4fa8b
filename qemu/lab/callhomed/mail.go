package callhomed

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
)

// mostParts bounds the parts of an e-mail.
const mostParts = 10

// part is one of an e-mail, opened.
type part struct {
	media string // "text/plain"
	text  []byte
}

// readMail reads an e-mail (RFC 5322, RFC 2045). The format is that of what is
// attached in XML or JSON, from which the message is read; where the text is a
// long one, or nothing is attached, it is that of the text.
func (s *Server) readMail(text []byte) (m Message, format string, err error) {
	letter, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		return m, "", err
	}
	parts, err := openMail(letter)
	if err != nil {
		return m, "", err
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(letter.Header.Get("Message-Id"), "<"), "@")
	m.ID = strings.ReplaceAll(id, ".", ":") // a colon may not stand in Message-ID
	if m.Serial() == "" {
		return m, "", fmt.Errorf("ID %q of the e-mail: want CH.SERIAL.NUMBER@DOMAIN", letter.Header.Get("Message-Id"))
	}
	if m.Description, err = new(mime.WordDecoder).DecodeHeader(letter.Header.Get("Subject")); err != nil {
		return m, "", fmt.Errorf("subject: %w", err)
	}
	format = "short-text"
	for _, p := range parts {
		attached, known := formats[p.media]
		if !known {
			if bytes.Count(p.text, []byte("\n")) > mostShort {
				format = "long-text"
			}
			continue
		}
		if format == "short-text" {
			format = attached
		}
		id := m.ID
		if m, err = s.read(attached, p.text); err == nil && m.ID != id {
			err = fmt.Errorf("message %s came in an e-mail with the ID of %s", m.ID, id)
		}
		return m, format, err
	}
	return m, format, nil
}

// mostShort is how many lines a short text has at most.
const mostShort = 6

// openMail gives the parts of an e-mail.
func openMail(letter *mail.Message) (parts []part, err error) {
	media, parameters, err := mime.ParseMediaType(letter.Header.Get("Content-Type"))
	if err != nil {
		return nil, fmt.Errorf("Content-Type: %w", err)
	}
	if !strings.HasPrefix(media, "multipart/") {
		text, err := decode(letter.Header.Get("Content-Transfer-Encoding"), letter.Body)
		return []part{{media, text}}, err
	}
	reader := multipart.NewReader(letter.Body, parameters["boundary"])
	for {
		p, err := reader.NextRawPart()
		switch {
		case err == io.EOF:
			return parts, nil
		case err != nil:
			return nil, err
		case len(parts) == mostParts:
			return nil, fmt.Errorf("it has more than %d parts", mostParts)
		}
		if media, _, err = mime.ParseMediaType(p.Header.Get("Content-Type")); err != nil {
			return nil, fmt.Errorf("Content-Type of a part: %w", err)
		}
		text, err := decode(p.Header.Get("Content-Transfer-Encoding"), p)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{media, text})
	}
}

// decode opens a transfer encoding (RFC 2045 §6).
func decode(encoding string, body io.Reader) ([]byte, error) {
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "", "7bit", "8bit":
	default:
		return nil, errors.New("there is no Content-Transfer-Encoding " + encoding)
	}
	return io.ReadAll(body)
}

// Clear is all that came, and after it what is encoded in it: headers and parts
// of an e-mail, and attachments of the message. It is for those who look for what
// should not be there.
func (d *Delivery) Clear() []byte {
	all := slices.Concat([]byte(d.Head), d.Raw)
	if letter, err := mail.ReadMessage(bytes.NewReader(d.Raw)); err == nil && d.Over == OverMail {
		for _, values := range letter.Header {
			for _, value := range values {
				if text, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
					all = append(append(all, '\n'), text...)
				}
			}
		}
		parts, _ := openMail(letter) // it was read before
		for _, p := range parts {
			all = append(append(all, '\n'), p.text...)
		}
	}
	for _, a := range d.Message.Attachments {
		all = append(append(all, '\n'), a.Data...)
	}
	return append(append(all, '\n'), d.Certificate...)
}
