package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// pageLimit is how long a page may take, or what is waited for on one.
const pageLimit = time.Minute

// within gives the tab's context, which ends with ctx, too.
func (t *Tab) within(ctx context.Context) (context.Context, context.CancelFunc) {
	limited, cancel := context.WithTimeout(t.ctx, pageLimit)
	stop := context.AfterFunc(ctx, cancel)
	return limited, func() {
		stop()
		cancel()
	}
}

// Open goes to a page and waits until all of it is there. An error status is no
// error: Status. While the network of the namespace changes, as it does for some
// seconds after a machine was started, Chromium drops what is under way: it goes there
// again.
func (t *Tab) Open(ctx context.Context, url string) error {
	limited, cancel := t.within(ctx)
	defer cancel()
	for {
		err := chromedp.Do(limited, chromedp.Navigate(url))
		switch dropped := t.wasDropped(); {
		case dropped && limited.Err() == nil:
		case err != nil:
			return fmt.Errorf("open %s: %w", url, err)
		default:
			return nil
		}
	}
}

// Address is the URL of the page.
func (t *Tab) Address(ctx context.Context) (string, error) {
	return Script[string](ctx, t, "location.href")
}

// Text is what can be read on the page.
func (t *Tab) Text(ctx context.Context) (string, error) {
	return Script[string](ctx, t, "document.body.innerText")
}

// Script runs an expression of JavaScript in the page, as its author's tools do:
// the policy of the page does not bind it. What it gives is awaited, if it is a
// promise.
func Script[T any](ctx context.Context, t *Tab, expression string) (result T, err error) {
	limited, cancel := t.within(ctx)
	defer cancel()
	result, err = chromedp.Run(limited, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		err = fmt.Errorf("run a script in the page: %w", err)
	}
	return result, err
}

// Sees waits until there is that text on the page.
func (t *Tab) Sees(ctx context.Context, text string) error {
	return t.await(ctx, func() error {
		all, err := t.Text(ctx)
		if err == nil && !strings.Contains(all, text) {
			err = fmt.Errorf("%q is not on the page:\n%s", text, all)
		}
		return err
	})
}

// await asks until there is no complaint, or it takes too long.
func (t *Tab) await(ctx context.Context, complaint func() error) error {
	limited, cancel := t.within(ctx)
	defer cancel()
	for {
		err := complaint()
		if err == nil {
			return nil
		}
		select {
		case <-limited.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Element is something on a page that has a name for people, by sight or by ear.
type Element struct {
	Role, Name string // of WAI-ARIA, as the browser computes them
	Value      string
	Disabled   bool
	Node       cdp.BackendNodeID

	tab *Tab
}

// Elements gives those on the page now that have a role and a name, in the order
// of the page.
func (t *Tab) Elements(ctx context.Context) ([]Element, error) { return t.elements(ctx, 0) }

// elements gives those below a node; 0: of the page.
func (t *Tab) elements(ctx context.Context, below cdp.BackendNodeID) (all []Element, err error) {
	limited, cancel := t.within(ctx)
	defer cancel()
	if below == 0 {
		document, err := chromedp.Call(limited, dom.GetDocument, dom.GetDocumentParams{})
		if err != nil {
			return nil, fmt.Errorf("look at the page: %w", err)
		}
		below = document.Root.BackendNodeID
	}
	found, err := chromedp.Call(limited, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{BackendNodeID: below})
	if err != nil {
		return nil, fmt.Errorf("look at the page: %w", err)
	}
	for _, n := range found.Nodes {
		if !n.Ignored && n.Role != nil && n.BackendDOMNodeID != 0 {
			all = append(all, t.element(n))
		}
	}
	return all, nil
}

func (t *Tab) element(n *accessibility.Node) Element {
	disabled := slices.ContainsFunc(n.Properties, func(p *accessibility.Property) bool {
		return p.Name == accessibility.PropertyNameDisabled && text(p.Value) == "true"
	})
	return Element{text(n.Role), strings.TrimSpace(text(n.Name)), text(n.Value), disabled, n.BackendDOMNodeID, t}
}

// text is a value of the browser that is a string, or can be read as one.
func text(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	return strings.Trim(string(v.Value), `"`)
}

// Roles of what is filled in.
var fieldRoles = []string{"textbox", "searchbox", "spinbutton", "combobox", "listbox", "checkbox", "radio", "DateTime", "Date", "InputTime"}

// Page is the whole page, whichever the tab shows.
func (t *Tab) Page() Element { return Element{tab: t} }

// Find waits for the one element of a role and name on the page.
func (t *Tab) Find(ctx context.Context, role, name string) (Element, error) {
	return t.Page().Find(ctx, role, name)
}

// Field waits for the one field of a label on the page.
func (t *Tab) Field(ctx context.Context, label string) (Element, error) {
	return t.Page().Field(ctx, label)
}

// Find waits for the one element of a role and name within this one.
func (e Element) Find(ctx context.Context, role, name string) (Element, error) {
	return e.find(ctx, name, role)
}

// Field waits for the one field of a label within this element.
func (e Element) Field(ctx context.Context, label string) (Element, error) {
	return e.find(ctx, label, fieldRoles...)
}

func (e Element) find(ctx context.Context, name string, roles ...string) (found Element, err error) {
	err = e.tab.await(ctx, func() error {
		all, err := e.tab.elements(ctx, e.Node)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(o Element) bool { return !slices.Contains(roles, o.Role) || o.Node == e.Node })
		var names []string
		var those []Element
		for _, o := range all {
			names = append(names, o.Name)
			if o.Name == name {
				those = append(those, o)
			}
		}
		if len(those) != 1 {
			return fmt.Errorf("there are %d %s %q on the page; there are %q", len(those), roles[0], name, names)
		}
		found = those[0]
		return nil
	})
	return found, err
}

// Press clicks with the mouse on the middle of it.
func (e Element) Press(ctx context.Context) error {
	limited, cancel := e.tab.within(ctx)
	defer cancel()
	return e.wrap("press", chromedp.Do(limited, e.click()))
}

// Follow is Press on what leads to another page, or to the same anew; it waits until
// that is there.
func (e Element) Follow(ctx context.Context) error {
	limited, cancel := e.tab.within(ctx)
	defer cancel()
	_, err := chromedp.RunResponse(limited, e.click())
	return e.wrap("follow", err)
}

func (e Element) wrap(what string, err error) error {
	if err != nil {
		err = fmt.Errorf("%s %s %q: %w", what, e.Role, e.Name, err)
	}
	return err
}

func (e Element) click() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		if _, err := cdp.Call(ctx, tab, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: e.Node}); err != nil {
			return err
		}
		shape, err := cdp.Call(ctx, tab, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: e.Node})
		if err != nil {
			return err
		}
		if len(shape.Quads) == 0 {
			return errors.New("it cannot be seen")
		}
		q := shape.Quads[0]
		_, err = chromedp.MouseClickXY((q[0]+q[4])/2, (q[1]+q[5])/2)(ctx, tab)
		return err
	})
}

// Fill types a text in the place of what is in the field.
func (e Element) Fill(ctx context.Context, text string) error {
	if _, err := script[bool](ctx, e, "this.focus(), this.select(), true"); err != nil {
		return e.wrap("fill", err)
	}
	if text == "" {
		return e.tab.Keys(ctx, kb.Delete)
	}
	limited, cancel := e.tab.within(ctx)
	defer cancel()
	_, err := chromedp.Call(limited, input.InsertText, input.InsertTextParams{Text: text})
	return e.wrap("fill", err)
}

// Choose takes one of the choices of a list, by what can be read there.
func (e Element) Choose(ctx context.Context, choice string) error {
	chosen, err := script[bool](ctx, e, fmt.Sprintf(`(() => {
		const option = [...this.options].find(o => o.label.trim() === %q)
		if (!option) return false
		option.selected = true
		this.dispatchEvent(new Event("input", {bubbles: true}))
		this.dispatchEvent(new Event("change", {bubbles: true}))
		return true
	})()`, choice))
	if err == nil && !chosen {
		err = fmt.Errorf("there is no choice %q", choice)
	}
	return e.wrap("choose", err)
}

// Attach fills a field for a file.
func (e Element) Attach(ctx context.Context, file string) error {
	limited, cancel := e.tab.within(ctx)
	defer cancel()
	_, err := chromedp.Call(limited, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{file}, BackendNodeID: e.Node})
	return e.wrap("attach", err)
}

// Text is what can be read within the element.
func (e Element) Text(ctx context.Context) (string, error) {
	return script[string](ctx, e, "this.innerText")
}

// Around gives the element of HTML that this one is in, by its tag.
func (e Element) Around(ctx context.Context, tag string) (around Element, err error) {
	limited, cancel := e.tab.within(ctx)
	defer cancel()
	object, err := script[*runtime.RemoteObject](ctx, e, fmt.Sprintf("this.closest(%q)", tag))
	if err != nil {
		return around, e.wrap("look around", err)
	}
	node, err := chromedp.Call(limited, dom.DescribeNode, dom.DescribeNodeParams{ObjectID: object.ObjectID})
	if err != nil {
		return around, e.wrap("look around", err)
	}
	return Element{Role: tag, Name: e.Name, Node: node.Node.BackendNodeID, tab: e.tab}, nil
}

// script runs an expression whose "this" is the element.
func script[T any](ctx context.Context, e Element, expression string) (result T, err error) {
	limited, cancel := e.tab.within(ctx)
	defer cancel()
	node, err := chromedp.Call(limited, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: e.Node})
	if err != nil {
		return result, err
	}
	return chromedp.Run(limited, chromedp.CallFunctionOn[T]("function() { return "+expression+" }", func(p *runtime.CallFunctionOnParams) {
		p.ObjectID = node.Object.ObjectID
	}))
}

// Keys types on the keyboard, at what has the focus. Keys without a character are
// those of chromedp/kb.
func (t *Tab) Keys(ctx context.Context, keys string, with ...chromedp.KeyOption) error {
	limited, cancel := t.within(ctx)
	defer cancel()
	if err := chromedp.Do(limited, chromedp.KeyEvent(keys, with...)); err != nil {
		return fmt.Errorf("type %q: %w", keys, err)
	}
	return nil
}

// Focused is what has the focus of the keyboard.
func (t *Tab) Focused(ctx context.Context) (focused Element, err error) {
	limited, cancel := t.within(ctx)
	defer cancel()
	object, err := chromedp.Call(limited, runtime.Evaluate, runtime.EvaluateParams{Expression: "document.activeElement"})
	if err != nil {
		return focused, fmt.Errorf("look for the focus: %w", err)
	}
	found, err := chromedp.Call(limited, accessibility.GetPartialAXTree, accessibility.GetPartialAXTreeParams{ObjectID: object.Result.ObjectID})
	if err == nil && len(found.Nodes) == 0 {
		err = errors.New("nothing has it")
	}
	if err != nil {
		return focused, fmt.Errorf("look for the focus: %w", err)
	}
	return t.element(found.Nodes[0]), nil
}

// Screenshot keeps a picture of the whole page, in PNG.
func (t *Tab) Screenshot(ctx context.Context, file string) error {
	limited, cancel := t.within(ctx)
	defer cancel()
	picture, err := chromedp.Run(limited, chromedp.FullScreenshot(100))
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, picture, 0o644))
	}
	if err != nil {
		return fmt.Errorf("keep a picture of the page: %w", err)
	}
	return nil
}
