package webuitest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// An expression that a page does not answer before it is left fails, and neither the condition of a later page nor the click that
// leaves it does.
func TestAPageThatIsLeftOwesNoAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.mux.HandleFunc("/leaves/{n}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, "<title>%s</title>", r.PathValue("n"))
	})
	b := newTab(t, look{})
	b.open(strings.Replace(s.url, "page/", "leaves/1", 1), "")
	leave := func(n int) chromedp.Action {
		return chromedp.Evaluate(fmt.Sprintf("new Promise(() => location = '/leaves/%d')", n), nil,
			func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) })
	}
	if err := chromedp.Run(b.ctx, leave(2)); !leaving(err) {
		t.Errorf("an expression in a page that is left: %v (%T), want one that leaving knows", err, err)
	}
	b.until("document.title === '2'")
	b.send(leave(3))
	b.until("document.title === '3'")
	if err := chromedp.Run(b.ctx, chromedp.Evaluate("nothing.of.this.name", nil)); err == nil || leaving(err) {
		t.Errorf("a wrong expression: %v, want an error that leaving does not know", err)
	}
}
