package webuitest

import (
	"fmt"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var (
	escape = chromedp.KeyEvent(kb.Escape)
	tabKey = chromedp.KeyEvent(kb.Tab)
	enter  = chromedp.KeyEvent(kb.Enter)
	space  = chromedp.KeyEvent(" ")
	down   = chromedp.KeyEvent(kb.ArrowDown)
	reload = chromedp.Reload()
)

// arrows are keys by their name.
var arrows = map[string]chromedp.Action{"ArrowLeft": chromedp.KeyEvent(kb.ArrowLeft), "ArrowRight": chromedp.KeyEvent(kb.ArrowRight)}

// reach tabs to the first element that matches, or to the checked one of its group, and requires that it shows its focus.
func (b *tab) reach(selector string) {
	b.t.Helper()
	const limit = 200
	there := fmt.Sprintf("(e => root().activeElement === e || e.type === 'radio' && root().activeElement?.name === e.name)($(%q) ?? {})", selector)
	for range limit {
		if outline := js[string](b, there+" ? getComputedStyle(root().activeElement).outlineStyle : ''"); outline != "" {
			if outline == "none" {
				b.t.Errorf("%s does not show that it has the focus", selector)
			}
			return
		}
		b.run(tabKey)
	}
	b.save("unreached")
	b.t.Fatalf("%d times Tab do not reach %s", limit, selector)
}

// press does with keys what a click does. It reports whether the element got it: the page may have drawn another one meanwhile.
func (b *tab) press(selector string) bool {
	b.t.Helper()
	b.reach(selector)
	switch js[string](b, fmt.Sprintf(watch, selector)) {
	case "radio":
		b.arrow(fmt.Sprintf("$(%q)?.checked", selector))
		return true
	case "checkbox":
		b.send(space)
	default:
		b.send(enter)
	}
	return b.hit(selector)
}

// watch notes whether the next click, of whatever kind, reaches the element, and returns the type of the focused one.
const watch = `(() => {
	const e = $(%q), state = window.aimed = {hit: undefined, end() { window.removeEventListener("click", on, true); }};
	const on = event => { state.hit = event.composedPath().includes(e); state.end(); };
	window.addEventListener("click", on, true);
	return root().activeElement?.type ?? "";
})()`

// arrow presses the arrow down until a condition holds.
func (b *tab) arrow(condition string) {
	b.t.Helper()
	for range 40 {
		if js[bool](b, condition) {
			return
		}
		b.run(down)
	}
	b.t.Fatalf("the arrow does not make %s", condition)
}
