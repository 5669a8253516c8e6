package webuitest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

var shots = flag.String("shots", "", "save screenshots in this directory")

// patience is how long a test waits for the page before it fails: no test is faster or slower for it.
const patience = time.Minute

// browser is the one Chromium of all tests.
var browser context.Context

func TestMain(m *testing.M) {
	flag.Parse()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("disable-gpu", true))
	if path, err := exec.LookPath("chromium-headless-shell"); err == nil { // the same engine, without the windows around it: several times faster
		options = append(options, chromedp.ExecPath(path))
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {})) // it does not know all events of newer browsers
	if err := chromedp.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "the tests need Chromium (Debian: apt-get install chromium):", err)
		os.Exit(1)
	}
	browser = ctx
	code := m.Run()
	if err := chromedp.Cancel(ctx); err != nil { // it waits until the browser is gone
		fmt.Fprintln(os.Stderr, "Chromium does not end:", err)
		code = max(code, 1)
	}
	stop()
	os.Exit(code)
}

// look is how a browser is set.
type look struct {
	width, height int64
	dark          bool
	lang          string // Accept-Language. Default: "en"
	forced        bool   // forced colors
	zoom          int64  // how many pixels of the screen one of the page takes, in both directions. Default: 1
	keys          bool   // whatever is clicked, filled in or chosen is so with the keyboard alone
	audit         bool   // with axe-core, in every view; other tests do so with dialogs
	zone          string // the time zone. Default: noon
}

// tab is a page in a browser of its own, without the cookies of others.
type tab struct {
	t     *testing.T
	ctx   context.Context
	keys  bool // see look
	width int64
	mu    sync.Mutex
	bad   []string // errors and violations
}

func newTab(t *testing.T, l look) *tab {
	t.Helper()
	own := cdp.WithExecutor(browser, chromedp.FromContext(browser).Browser)
	cookies, err := target.CreateBrowserContext().WithDisposeOnDetach(true).Do(own)
	if err != nil {
		t.Fatal(err)
	}
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(cookies).WithNewWindow(true).Do(own)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := chromedp.NewContext(browser, chromedp.WithTargetID(id))
	t.Cleanup(end)
	if deadline, limited := t.Deadline(); limited { // a browser that hangs fails its test, and not all of them
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-20*time.Second))
		t.Cleanup(cancel)
	}
	if l.width == 0 {
		l.width, l.height = 1280, 900
	}
	b := &tab{t: t, ctx: ctx, keys: l.keys, width: l.width}
	chromedp.ListenTarget(ctx, b.hear)
	if l.lang == "" {
		l.lang = "en"
	}
	features := []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: map[bool]string{false: "light", true: "dark"}[l.dark]},
		{Name: "prefers-reduced-motion", Value: "reduce"},
	}
	if l.forced {
		features = append(features, &emulation.MediaFeature{Name: "forced-colors", Value: "active"})
	}
	b.run(
		emulation.SetDeviceMetricsOverride(l.width, l.height, float64(max(l.zoom, 1)), l.width < 500), emulation.SetEmulatedMedia().WithFeatures(features),
		emulation.SetTimezoneOverride(cmp.Or(l.zone, noon())),
		network.Enable(), network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": l.lang}),
		chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := page.AddScriptToEvaluateOnNewDocument(helpers).Do(ctx)
			return err
		}),
	)
	t.Cleanup(b.clean)
	return b
}

// noon is a time zone where it is about noon, so that today and tomorrow are the same days during a test.
func noon() string {
	east := 12 - time.Now().UTC().Hour()
	if east < 0 {
		return fmt.Sprintf("Etc/GMT+%d", -east) // a zone west of Greenwich has a plus
	}
	return fmt.Sprintf("Etc/GMT-%d", east)
}

// helpers are in every page: $ finds an element of the component, violations are those of the page's policy.
const helpers = `
window.violations = [];
addEventListener("securitypolicyviolation", e => violations.push(e.violatedDirective + " " + e.blockedURI + " " + e.sample));
window.root = () => document.querySelector("session-manager")?.shadowRoot;
window.$ = s => root()?.querySelector(s);
window.$$ = s => [...(root()?.querySelectorAll(s) ?? [])];
window.text = s => $(s)?.innerText ?? "";`

// hear notes what goes wrong in the page.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.bad = append(b.bad, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError {
			for _, a := range e.Args {
				b.bad = append(b.bad, string(a.Value)+a.Description)
			}
		}
	}
}

// clean fails the test when the page threw an error or violated its policy.
func (b *tab) clean() {
	b.t.Helper()
	var found []string
	if err := chromedp.Run(b.ctx, chromedp.Evaluate("window.violations ?? []", &found)); err != nil {
		b.t.Errorf("the page is not there at the end: %v", err)
	}
	if words := js[string](b, `(window.root?.()?.textContent.match(/.{0,40}(\b(GET|POST|PATCH) |\?\w+=|"\w+":|Retry-After|If-Match|delete_at_most).{0,40}/) ?? [""])[0]`); words != "" {
		b.t.Errorf("the page says in the words of the API: %s", words)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range append(found, b.bad...) {
		b.t.Errorf("in the page: %s", f)
	}
}

func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// send sends clicks and keys. One that leaves the page may end without an answer.
func (b *tab) send(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil && !leaving(err) {
		b.t.Fatal(err)
	}
}

// open goes to a URL, with the cookie of a user.
func (b *tab) open(url, who string) {
	b.t.Helper()
	if who != "" {
		b.run(network.SetCookie(whoCookie, who).WithURL(url))
	}
	b.run(chromedp.Navigate(url))
}

// js evaluates an expression of JavaScript, a promise perhaps.
func js[T any](b *tab, expression string) (v T) {
	b.t.Helper()
	b.run(chromedp.Evaluate(expression, &v, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return v
}

// leaving reports whether a page went before it answered, because another one took its place.
func leaving(err error) bool {
	var said *cdproto.Error
	if !errors.As(err, &said) {
		return false
	}
	for _, reason := range []string{"navigated or closed", "context was destroyed", "Cannot find context"} {
		if strings.Contains(said.Message, reason) {
			return true
		}
	}
	return false
}

// without makes timers of these lengths never end in pages that are opened from now on. A test shows with it that something else,
// or nothing else, makes the page ask the server again.
func (b *tab) without(waits ...time.Duration) {
	b.t.Helper()
	var all []int64
	for _, w := range waits {
		all = append(all, w.Milliseconds())
	}
	script := fmt.Sprintf(`for (const set of ["setTimeout", "setInterval"]) {
		const before = window[set];
		window[set] = (f, ms) => %s.includes(ms) ? 0 : before(f, ms);
	}`, quoted(all))
	b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(script).Do(ctx)
		return err
	}))
}

// The page asks again after these times.
const (
	pollEvery  = 15 * time.Second // without a stream
	retryEvery = 5 * time.Second  // after a failure
	freshEvery = time.Minute      // in any case
)

func quoted(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// until waits for a condition in JavaScript. A property of an element that is not there yet is no error.
func (b *tab) until(condition string) {
	b.t.Helper()
	test := "(() => { try { return !!(" + condition + "); } catch (e) { if (e instanceof TypeError) return false; throw e; } })()"
	for end := time.Now().Add(patience); ; {
		var ok bool
		if err := chromedp.Run(b.ctx, chromedp.Evaluate(test, &ok)); err != nil {
			if !leaving(err) {
				b.t.Fatalf("%s: %v", condition, err)
			}
		}
		if ok {
			return
		}
		if time.Now().After(end) {
			b.save("failed")
			b.t.Fatalf("not within %v: %s\nthe page says:\n%s", patience, condition, js[string](b, "(root() ?? document.body).textContent.replace(/\\s+/g, ' ').slice(0, 1500)"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// click clicks the first element that matches, with the mouse, where it is. A page that is still loading moves its elements:
// a click that another element would get does nothing, and is repeated.
func (b *tab) click(selector string) {
	b.t.Helper()
	for end := time.Now().Add(patience); ; {
		b.until(fmt.Sprintf("$(%q) && !$(%q).disabled", selector, selector))
		if b.keys {
			if b.press(selector) {
				return
			}
		} else if at := js[[]float64](b, fmt.Sprintf(aim, selector)); at != nil {
			b.send(chromedp.MouseClickXY(at[0], at[1]))
			if b.hit(selector) {
				return
			}
		}
		if time.Now().After(end) {
			b.t.Fatalf("not within %v: a click that reaches %s", patience, selector)
		}
	}
}

// hit reports whether the last click reached the element.
func (b *tab) hit(selector string) bool {
	b.t.Helper()
	var hit bool
	err := chromedp.Run(b.ctx, chromedp.Evaluate("!window.aimed || window.aimed.hit === true", &hit))
	if err != nil && !leaving(err) {
		b.t.Fatalf("a click on %s: %v", selector, err)
	}
	return hit || err != nil // the page may have gone, too
}

// aim returns where an element is, and lets the next click reach nothing else. It returns null if the element has gone.
const aim = `(() => {
	const e = $(%q);
	if (!e) return null;
	e.scrollIntoView({block: "center"});
	window.aimed?.end();
	const state = window.aimed = {hit: undefined, end() {
		for (const type of types) window.removeEventListener(type, on, true);
	}};
	const types = ["mousedown", "mouseup", "click"];
	const on = event => {
		state.hit ??= event.composedPath().includes(e);
		if (!state.hit) { event.preventDefault(); event.stopImmediatePropagation(); }
		if (event.type === "click") state.end();
	};
	for (const type of types) window.addEventListener(type, on, true);
	const r = e.getBoundingClientRect();
	return [r.x + r.width / 2, r.y + r.height / 2];
})()`

// fill types into a field, as a person does.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("$(%q)", selector))
	if b.keys {
		b.reach(selector)
	}
	b.until(fmt.Sprintf("$(%q) && ($(%q).focus(), $(%q).select(), true)", selector, selector, selector))
	b.run(chromedp.KeyEvent(text))
}

// choose chooses an option.
func (b *tab) choose(selector, value string) {
	b.t.Helper()
	b.until(fmt.Sprintf("$(%q)", selector))
	if b.keys {
		b.reach(selector)
		b.arrow(fmt.Sprintf("$(%q).value === %q", selector, value))
		return
	}
	b.until(fmt.Sprintf(`(e => e && (e.value = %q, e.dispatchEvent(new Event("change", {bubbles: true})), true))($(%q))`, value, selector))
}

// save saves a screenshot of the whole page, with -shots.
func (b *tab) save(name string) {
	b.t.Helper()
	if *shots == "" {
		return
	}
	var png []byte
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		png, err = page.CaptureScreenshot().WithCaptureBeyondViewport(false).Do(ctx)
		return err
	}))
	name = strings.NewReplacer("/", "-", " ", "-").Replace(name) + ".png"
	if err := os.WriteFile(filepath.Join(*shots, name), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

var axeSource = sync.OnceValues(func() (string, error) {
	data, err := os.ReadFile("../../webui/node_modules/axe-core/axe.min.js")
	return string(data), err
})

// accessible checks the page with axe-core.
func (b *tab) accessible(what string) {
	b.t.Helper()
	source, err := axeSource()
	if err != nil {
		b.t.Fatalf("axe-core is missing: scripts/webui installs it: %v", err)
	}
	if !js[bool](b, "!!window.axe") {
		js[any](b, source+";null")
	}
	type violation struct {
		ID, Help string
		Nodes    []struct {
			HTML           string
			FailureSummary string
		}
	}
	var found struct {
		Violations []violation
		Passes     int
	}
	// Nobody reaches what is behind an open dialog.
	data := js[string](b, `axe.run($?.("dialog[open]") ? {fromShadowDom: ["session-manager", "dialog[open]"]} : document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r => JSON.stringify({violations: r.violations, passes: r.passes.length}))`)
	if err := json.Unmarshal([]byte(data), &found); err != nil {
		b.t.Fatal(err)
	}
	if found.Passes == 0 {
		b.t.Errorf("%s: nothing was checked", what)
	}
	for _, v := range found.Violations {
		for _, n := range v.Nodes[:min(3, len(v.Nodes))] {
			b.t.Errorf("%s: %s: %s\n%s\n%s", what, v.ID, v.Help, n.HTML, n.FailureSummary)
		}
	}
}
