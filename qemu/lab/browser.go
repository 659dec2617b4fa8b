package lab

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// chromium is Debian's Chromium without windows (chromium-headless-shell).
const chromium = "chromium-headless-shell"

// Browser is Chromium in a namespace. It has no network but that, and keeps
// nothing.
type Browser struct {
	ctx   context.Context
	close []context.CancelFunc
}

// Browser starts one. It takes these certificates of servers for good, whoever has
// signed them, and those of nobody else.
func (n *Namespace) Browser(ctx context.Context, trusted ...*x509.Certificate) (*Browser, error) {
	program, err := exec.LookPath(chromium)
	if err != nil {
		return nil, fmt.Errorf("start a browser: %w", err)
	}
	pins := ""
	for _, certificate := range trusted {
		sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
		pins += base64.StdEncoding.EncodeToString(sum[:]) + ","
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("nsenter"), // since chromedp starts it on a thread of its own
		chromedp.ModifyCmdFunc(func(command *exec.Cmd) {
			network := fmt.Sprintf("--net=/proc/%d/fd/%d", os.Getpid(), n.handle)
			command.Args = append([]string{"nsenter", network, program}, command.Args[1:]...)
			command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		}),
		chromedp.WSURLReadTimeout(time.Minute), // several start at once, on a busy host
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("ignore-certificate-errors-spki-list", pins))
	b := &Browser{}
	allocator, cancel := chromedp.NewExecAllocator(ctx, options...)
	b.close = append(b.close, cancel)
	b.ctx, cancel = chromedp.NewContext(allocator)
	b.close = append(b.close, cancel)
	if err := chromedp.Do(b.ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("start a browser: %w", err)
	}
	return b, nil
}

// Close ends it with all its tabs, and removes its files.
func (b *Browser) Close() {
	for i := len(b.close) - 1; i >= 0; i-- {
		b.close[i]()
	}
}

// Screen is what somebody looks at pages with.
type Screen struct {
	Width     int // of the window in CSS pixels; 0: 1280
	Dark      bool
	NoScripts bool
}

// Height of all windows in CSS pixels.
const screenHeight = 844

// Tab is somebody at the browser: what one is told by a server, cookies included,
// no other one knows. A tab is for one goroutine.
type Tab struct {
	ctx    context.Context
	cancel context.CancelFunc
	screen Screen

	mu       sync.Mutex // guards what follows
	faults   []string
	document network.RequestID
	status   int  // of the document
	octets   int  // received since the document was asked for
	dropped  bool // since the network has changed
	asked    map[network.RequestID]string
}

// Tab opens one.
func (b *Browser) Tab(screen Screen) (*Tab, error) {
	if screen.Width == 0 {
		screen.Width = 1280
	}
	t := &Tab{screen: screen, asked: map[network.RequestID]string{}}
	t.ctx, t.cancel = chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(t.hear))
	scheme := "light"
	if screen.Dark {
		scheme = "dark"
	}
	_, err := chromedp.Call(t.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err == nil {
		_, err = chromedp.Call(t.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: screen.NoScripts})
	}
	if err == nil {
		_, err = chromedp.Call(t.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: int64(screen.Width), Height: screenHeight, DeviceScaleFactor: 1,
		})
	}
	if err == nil { // each page is to come whole
		_, err = chromedp.Call(t.ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
	}
	if err != nil {
		t.cancel()
		return nil, fmt.Errorf("open a tab: %w", err)
	}
	return t, nil
}

// Close closes it.
func (t *Tab) Close() { t.cancel() }

// Faults are what its pages have done wrong since they were asked for last:
// errors of scripts, what the policy of the page forbids, resources that did not
// come.
func (t *Tab) Faults() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	faults := t.faults
	t.faults = nil
	return faults
}

// Status is the HTTP status of the page.
func (t *Tab) Status() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

// Octets are those of the page with all that belongs to it and the heads of HTTP,
// as they came over the line.
func (t *Tab) Octets() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.octets
}

// hear takes the events of the browser.
func (t *Tab) hear(event any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if e.Type == network.ResourceTypeDocument && string(e.RequestID) == string(e.LoaderID) {
			t.document, t.octets = e.RequestID, 0
		}
		t.asked[e.RequestID] = e.Request.URL
	case *network.EventResponseReceived:
		if e.RequestID == t.document {
			t.status = int(e.Response.Status)
		} else if e.Response.Status >= 400 {
			t.fault("%s: HTTP status %d", e.Response.URL, e.Response.Status)
		}
	case *network.EventLoadingFinished:
		t.octets += int(e.EncodedDataLength)
	case *network.EventLoadingFailed:
		if e.ErrorText == networkChanged {
			t.dropped = true
		} else if !e.Canceled {
			t.fault("%s: %s %s", t.asked[e.RequestID], e.ErrorText, e.BlockedReason)
		}
	case *runtime.EventExceptionThrown:
		t.fault("%s %s", e.ExceptionDetails.Text, describe(e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			t.fault("console: %s", describe(e.Args...))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork { // those are told above
			t.fault("%s: %s", e.Entry.Source, e.Entry.Text)
		}
	case *page.EventJavascriptDialogOpening:
		go chromedp.Call(t.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
	}
}

// networkChanged is what Chromium says where it has dropped a request since the
// addresses of a device are others.
const networkChanged = "net::ERR_NETWORK_CHANGED"

// wasDropped says whether that has happened since it was asked last.
func (t *Tab) wasDropped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	dropped := t.dropped
	t.dropped = false
	return dropped
}

func (t *Tab) fault(format string, args ...any) {
	t.faults = append(t.faults, fmt.Sprintf(format, args...))
}

// describe prints what a script has said.
func describe(said ...*runtime.RemoteObject) string {
	text := ""
	for _, o := range said {
		if o != nil {
			text += string(o.Value) + o.Description + " "
		}
	}
	return text
}
