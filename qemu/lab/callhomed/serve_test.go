package callhomed

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// world is a server with all of its doors open, and a client that trusts it.
type world struct {
	*Server
	t                        *testing.T
	https, mail, secure, api string // addresses
	stop                     func()
}

// limit is how long anything may take here.
const limit = time.Minute

// newWorld opens a server. It ends with the test, or by stop.
func newWorld(t *testing.T, options Options) *world {
	t.Helper()
	options.Names = []string{"callhome.example.com", "127.0.0.1"}
	server, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Server: server, t: t}
	var doors Doors
	for _, d := range []struct {
		door    *net.Listener
		address *string
	}{{&doors.HTTPS, &w.https}, {&doors.Mail, &w.mail}, {&doors.MailTLS, &w.secure}, {&doors.API, &w.api}} {
		if *d.door, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		*d.address = (*d.door).Addr().String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, doors) }()
	running := true
	w.stop = func() {
		if !running {
			return
		}
		running = false
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve() = %v", err)
		}
	}
	t.Cleanup(w.stop)
	return w
}

// trust is a client's TLS.
func (w *world) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.Root())
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
}

// post posts a text.
func (w *world) post(media, text string) (status int, answer string, err error) {
	client := http.Client{Timeout: limit, Transport: &http.Transport{TLSClientConfig: w.trust(), DisableKeepAlives: true}}
	response, err := client.Post("https://"+w.https+Path, media, strings.NewReader(text))
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body) + response.Header.Get("Retry-After"), err
}

const (
	mediaXML  = "application/soap+xml; charset=utf-8"
	mediaJSON = "application/json"
)

// results are what became of all that arrived.
func (w *world) results() (results []string) {
	for _, a := range w.Arrivals() {
		results = append(results, strings.TrimSpace(string(a.Fault)+" "+a.Result))
	}
	return results
}

// taken are the messages that were taken, a line each.
func (w *world) taken() (lines []string) {
	for _, d := range w.Deliveries() {
		lines = append(lines, fmt.Sprintf("%s %s %q to %s, repeated %d", d.Format, d.TLS, d.Message.Description, d.To, d.Repeated))
	}
	return lines
}

// TestPost posts messages, right and wrong.
func TestPost(t *testing.T) {
	w := newWorld(t, Options{Schema: schema})
	ofXML, ofJSON := string(goldens(t, ".xml")["alert-smart"]), string(goldens(t, ".json")["inventory-smart"])
	another := strings.ReplaceAll(ofJSON, ":64d", ":64e")
	for _, row := range []struct {
		media, text string
		status      int
		answer      string
	}{
		{mediaXML, ofXML, 200, "CH:FOX26110001:64d"},
		{mediaXML, ofXML, 200, "CH:FOX26110001:64d"},
		{mediaJSON, another, 200, "CH:FOX26110001:64e"},
		{"text/plain", another, 415, "text/plain"},
		{mediaJSON, "{", 400, "EOF"},
		{mediaXML, strings.Replace(ofXML, "<ch:Device>", "<ch:Other/><ch:Device>", 1), 400, "Other"},
		{mediaJSON, strings.Repeat("x", mostOctets+1), 413, "too large"},
	} {
		status, answer, err := w.post(row.media, row.text)
		if err != nil || status != row.status || !strings.Contains(answer, row.answer) {
			t.Errorf("post %s %.40q: %d %q, %v; want %d with %q", row.media, row.text, status, answer, err, row.status, row.answer)
		}
	}
	want := []string{
		`xml TLS 1.3 "Coredumpfilefound (proxy): proxy crashed: <nil> & \"more\"" to https://` + w.https + "/callhome, repeated 1",
		`json TLS 1.3 "Inventory of QEMU-X86@C@FOX26110001" to https://` + w.https + "/callhome, repeated 0",
	}
	if got := w.taken(); !slices.Equal(got, want) {
		t.Fatalf("taken are %q; want %q", got, want)
	}
	if got := w.results(); len(got) != 7 || got[0] != wasTaken || got[1] != wasRepeated || got[2] != wasTaken {
		t.Errorf("arrived are %q; want taken, repeated, taken, and four others", got)
	}
	first := w.Deliveries()[0]
	if !strings.Contains(first.Head, "POST "+Path) || !strings.Contains(first.Head, "Content-Type: "+mediaXML) || string(first.Raw) != ofXML {
		t.Errorf("kept are %q and %q; want the request as it came", first.Head, first.Raw)
	}
}

// TestFaults has each fault that befalls a message which is posted, and then none.
func TestFaults(t *testing.T) {
	text := string(goldens(t, ".json")["inventory-smart"])
	for _, row := range []struct {
		fault Fault
		want  string // in the answer, or in the error
		taken bool
	}{
		{Fault{Kind: Down}, "", false},
		{Fault{Kind: WrongAuthority}, "unknown authority", false},
		{Fault{Kind: WrongName}, "127.0.0.1", false},
		{Fault{Kind: Outdated}, "expired", false},
		{Fault{Kind: OldTLS}, "protocol version", false},
		{Fault{Kind: Refuse, Status: 500}, "500 as the lab wants it", false},
		{Fault{Kind: Refuse, RetryAfter: 120}, "503 as the lab wants it\n120", false},
		{Fault{Kind: Refuse, Status: 400}, "400 as", false},
		{Fault{Kind: HangUp}, "EOF", false},
		{Fault{Kind: LostAnswer}, "EOF", true},
		{Fault{Kind: Slow, Seconds: 1}, "200 CH:FOX26110001:64d", true},
	} {
		t.Run(string(row.fault.Kind)+fmt.Sprint(row.fault.Status), func(t *testing.T) {
			w := newWorld(t, Options{})
			row.fault.Times, row.fault.On = 1, OverHTTPS
			if err := w.SetFaults(row.fault, Fault{Kind: row.fault.Kind, On: OverMail}); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			status, answer, err := w.post(mediaJSON, text)
			got := fmt.Sprintf("%d %s", status, answer)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, row.want) || (err == nil) != strings.Contains(row.want, "00 ") && row.fault.RetryAfter == 0 {
				t.Errorf("the client has %q; want %q", got, row.want)
			}
			if took := time.Since(began); took < time.Duration(row.fault.Seconds)*time.Second {
				t.Errorf("the answer came after %v; want %d s", took, row.fault.Seconds)
			}
			if status, _, err := w.post(mediaJSON, text); err != nil || status != 200 {
				t.Errorf("after the fault: %d, %v; want 200", status, err)
			}
			if all := w.Deliveries(); len(all) != 1 || (all[0].Repeated == 1) != row.taken {
				t.Errorf("taken are %q; want one, taken with the fault: %v", w.taken(), row.taken)
			}
		})
	}
}

// TestSilence has a client give up.
func TestSilence(t *testing.T) {
	w := newWorld(t, Options{})
	if err := w.SetFaults(Fault{Kind: Silence}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{TLSClientConfig: w.trust()}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+w.https+Path, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(request); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("post = %v; want none within a second", err)
	}
	if len(w.Deliveries()) > 0 {
		t.Error("the server has taken what it has not answered")
	}
}

// TestSetFaultsRefuses refuses faults that cannot be.
func TestSetFaultsRefuses(t *testing.T) {
	s := Server{}
	for _, f := range []Fault{
		{Kind: "flood"}, {Kind: Down, On: "fax"}, {Kind: Down, Times: -1}, {Kind: Refuse, Status: 200}, {Kind: Slow, Seconds: -1},
	} {
		if err := s.SetFaults(f); err == nil {
			t.Errorf("SetFaults(%+v) = nil; want an error", f)
		}
	}
}

// TestKeep takes a server up again; what it cannot use it says.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, Options{Dir: dir})
	text := string(goldens(t, ".json")["inventory-smart"])
	root := w.Root()
	if status, _, err := w.post(mediaJSON, text); err != nil || status != 200 {
		t.Fatalf("post: %d, %v", status, err)
	}
	w.stop()
	before, err := json.Marshal(w.Deliveries())
	if err != nil {
		t.Fatal(err)
	}

	w = newWorld(t, Options{Dir: dir})
	if !bytes.Equal(w.Root(), root) {
		t.Error("the authority is another one")
	}
	if after, err := json.Marshal(w.Deliveries()); err != nil || !bytes.Equal(after, before) {
		t.Fatalf("kept are %s, %v; want %s", after, err, before)
	}
	again := w.Deliveries()[0]
	if result, err := w.take(&again); err != nil || result != wasRepeated {
		t.Errorf("take() = %q, %v; want it repeated", result, err)
	}
	w.stop()

	s, err := New(Options{Dir: dir})
	if err != nil || s.Deliveries()[0].Repeated != 1 {
		t.Errorf("taken up with %v; want the repetition counted", err)
	}
	file := filepath.Join(dir, "message-000001.json")
	if err := os.Truncate(file, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file that is cut is taken up with %v; want its name", err)
	}
	if _, err := New(Options{Schema: filepath.Join(dir, "none.xsd")}); err == nil {
		t.Error("a schema that is not there is taken")
	}
}

// TestAPI asks for what was taken.
func TestAPI(t *testing.T) {
	w := newWorld(t, Options{})
	for _, name := range []string{"alert-smart", "inventory-smart"} {
		text := strings.ReplaceAll(string(goldens(t, ".json")[name]), ":64d", fmt.Sprintf(":%d", len(name)))
		if status, _, err := w.post(mediaJSON, text); err != nil || status != 200 {
			t.Fatalf("post: %d, %v", status, err)
		}
	}
	for _, row := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/root.pem", "", 200, string(w.Root())},
		{"GET", "/messages", "", 200, `"id": "CH:FOX26110001:15"`},
		{"GET", "/messages/1", "", 200, `"remedy": "Send the crash file to support."`},
		{"GET", "/messages/1/raw", "", 200, `"messageId": "CH:FOX26110001:11"`},
		{"GET", "/messages/1/text", "", 200, "Remediation  Send the crash file to support.\n"},
		{"GET", "/messages/1/text", "", 200, "Impact       Calls in progress were lost.\n"},
		{"GET", "/messages/1/text", "", 200, "--- 20261130-gone.txt (trace), at harddisk:crash/20261130-gone.txt: gone\n"},
		{"GET", "/messages/3", "", 404, "no such message: 3"},
		{"GET", "/messages/x/raw", "", 404, "no such message: x"},
		{"GET", "/alerts", "", 200, `"impact": "Calls in progress were lost."`},
		{"GET", "/boxes", "", 200, `"device": "QEMU-X86@C@FOX26110001"`},
		{"GET", "/boxes/FOX26110001/inventory", "", 200, `"Linux 6.1.0"`},
		{"GET", "/boxes/FOX26110001/telemetry", "", 404, "telemetry of FOX26110001"},
		{"GET", "/arrivals", "", 200, `"result": "taken"`},
		{"PUT", "/faults", `[{"kind": "slow", "seconds": 3}]`, 204, ""},
		{"GET", "/faults", "", 200, `"seconds": 3`},
		{"PUT", "/faults", `[{"kind": "flood"}]`, 400, `no fault "flood"`},
		{"PUT", "/faults", `[{"sort": "slow"}]`, 400, "sort"},
		{"POST", "/messages", "", 405, ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), row.method, "http://"+w.api+row.path, strings.NewReader(row.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != row.status || !strings.Contains(string(body), row.want) {
			t.Errorf("%s %s: %s, %s, %v; want %d with %q", row.method, row.path, response.Status, body, err, row.status, row.want)
		}
	}
	var boxes []Box
	response, err := http.Get("http://" + w.api + "/boxes")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&boxes); err != nil || len(boxes) != 1 || boxes[0].Messages["alert"] != 1 || boxes[0].Messages["inventory"] != 1 {
		t.Errorf("boxes are %+v, %v; want one with an alert and an inventory", boxes, err)
	}
}

// letter is an e-mail, with something attached where media is not empty.
func letter(subject, media, text string) string {
	head := "From: box@example.com\r\nTo: noc@example.com\r\nSubject: " + subject +
		"\r\nMessage-ID: <CH.FOX26110001.64d@sbc1.example.com>\r\nMIME-Version: 1.0\r\n"
	body := strings.ReplaceAll(text, "\n", "\r\n")
	if media == "" {
		return head + "Content-Type: text/plain; charset=utf-8\r\n\r\n" + body
	}
	return head + "Content-Type: multipart/mixed; boundary=part\r\n\r\n--part\r\nContent-Type: text/plain\r\n" +
		"Content-Transfer-Encoding: quoted-printable\r\n\r\nFor people =\r\nonly\r\n--part\r\nContent-Type: " + media + "\r\n\r\n" + body + "\r\n--part--\r\n"
}

// send sends an e-mail; how it goes is "plain", "starttls" or "tls".
func (w *world) send(how, password, text string, to ...string) error {
	var client *smtp.Client
	var err error
	switch how {
	case "plain":
		client, err = smtp.Dial(w.mail)
	case "starttls":
		client, err = smtp.DialStartTLS(w.mail, w.trust())
	case "tls":
		client, err = smtp.DialTLS(w.secure, w.trust())
	}
	if err != nil {
		return err
	}
	defer client.Close()
	client.CommandTimeout, client.SubmissionTimeout = limit, limit
	if password != "" {
		if err := client.Auth(sasl.NewPlainClient("", "box", password)); err != nil {
			return err
		}
	}
	return client.SendMail("box@example.com", to, strings.NewReader(text))
}

// TestMail sends e-mails in each way.
func TestMail(t *testing.T) {
	w := newWorld(t, Options{Schema: schema, Users: map[string]string{"box": "pass"}})
	ofXML := letter("x", "application/soap+xml", string(goldens(t, ".xml")["alert-smart"]))
	for _, row := range []struct {
		how, password, text string
		to                  []string
		want                string // in the error; empty: it is taken
	}{
		{"tls", "pass", ofXML, []string{"noc@example.com", "eva@example.com"}, ""},
		{"starttls", "pass", ofXML, []string{"eva@example.com", "noc@example.com"}, ""},
		{"plain", "pass", letter("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "", "one\ntwo\n"), []string{"noc@example.com"}, ""},
		{"tls", "pass", letter("long", "", strings.Repeat("line\n", 10)), []string{"eva@example.com"}, ""},
		{"tls", "", ofXML, []string{"noc@example.com"}, "530"},
		{"tls", "wrong", ofXML, []string{"noc@example.com"}, "535"},
		{"tls", "pass", strings.Replace(ofXML, ".64d@", ".64e@", 1), []string{"noc@example.com"}, "554"},
		{"tls", "pass", strings.Replace(ofXML, "<ch:Device>", "<ch:Other/><ch:Device>", 1), []string{"noc@example.com"}, "Other"},
		{"tls", "pass", strings.Replace(ofXML, "quoted-printable", "uuencode", 1), []string{"noc@example.com"}, "uuencode"},
		{"tls", "pass", "Subject: x\r\n\r\n", []string{"noc@example.com"}, "Content-Type"},
	} {
		err := w.send(row.how, row.password, row.text, row.to...)
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(fmt.Sprintf("%+v", err), row.want) && !isCode(err, row.want)) {
			t.Errorf("send by %s: %v; want %q", row.how, err, row.want)
		}
	}
	want := []string{
		`xml TLS 1.3 "Coredumpfilefound (proxy): proxy crashed: <nil> & \"more\"" to eva@example.com, noc@example.com, repeated 1`,
		`short-text  "Grüße" to noc@example.com, repeated 0`,
		`long-text TLS 1.3 "long" to eva@example.com, repeated 0`,
	}
	if got := w.taken(); !slices.Equal(got, want) {
		t.Fatalf("taken are %q; want %q", got, want)
	}
	for i, text := range []string{"For people only\n", "panic: example\n", "Grüße"} {
		if d := w.Deliveries()[i/2]; !strings.Contains(string(d.Clear()), text) {
			t.Errorf("%q is not in the clear of %s", text, d.Format)
		}
	}
	if head := w.Deliveries()[0].Head; !strings.Contains(head, "EHLO ") || !strings.Contains(head, "MAIL FROM:<box@example.com>\nRCPT TO:<noc@example.com>\n") {
		t.Errorf("the head is %q; want what was said", head)
	}
}

// isCode says whether the error is an answer with that code.
func isCode(err error, code string) bool {
	var answer *smtp.SMTPError
	return errors.As(err, &answer) && fmt.Sprint(answer.Code) == code
}

// TestMailFaults has faults befall e-mails, and then none.
func TestMailFaults(t *testing.T) {
	for _, row := range []struct {
		fault Fault
		want  string // code, or in the error
		taken bool
	}{
		{Fault{Kind: Down}, "", false},
		{Fault{Kind: WrongName}, "127.0.0.1", false},
		{Fault{Kind: Refuse}, "451", false},
		{Fault{Kind: Refuse, Status: 550}, "550", false},
		{Fault{Kind: HangUp}, "", false},
		{Fault{Kind: LostAnswer}, "", true},
	} {
		t.Run(string(row.fault.Kind)+fmt.Sprint(row.fault.Status), func(t *testing.T) {
			w := newWorld(t, Options{})
			row.fault.Times, row.fault.On = 1, OverMail
			if err := w.SetFaults(Fault{Kind: row.fault.Kind, On: OverHTTPS}, row.fault); err != nil {
				t.Fatal(err)
			}
			text := letter("x", "", "text\n")
			if err := w.send("tls", "", text, "noc@example.com"); err == nil || !strings.Contains(err.Error(), row.want) && !isCode(err, row.want) {
				t.Errorf("send = %v; want %q", err, row.want)
			}
			if err := w.send("tls", "", text, "noc@example.com"); err != nil {
				t.Errorf("after the fault: %v", err)
			}
			if all := w.Deliveries(); len(all) != 1 || (all[0].Repeated == 1) != row.taken {
				t.Errorf("taken are %q; want one, taken with the fault: %v", w.taken(), row.taken)
			}
		})
	}
}
