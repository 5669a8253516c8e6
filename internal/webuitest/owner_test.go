package webuitest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/sessioncleanup/sessioncleanup"
)

var archiving = sessioncleanup.Policy{Archive: sessioncleanup.On}

// looks are the ways in which every view is looked at.
var looks = map[string]look{
	"phone":        {width: 320, height: 700, lang: "en"},
	"phone dark":   {width: 320, height: 700, dark: true, lang: "fr", audit: true},
	"tablet":       {width: 768, height: 1000, lang: "fr"},
	"desktop":      {width: 1440, height: 900, lang: "en", audit: true},
	"desktop dark": {width: 1440, height: 900, dark: true, lang: "en"},
	"forced":       {width: 1000, height: 800, forced: true, lang: "fr"},
	"zoomed":       {width: 640, height: 400, zoom: 2, lang: "en"}, // a window of 1280 pixels at 200 %
}

// fits fails the test when the page is wider than the window, or a control cannot be touched on a phone.
func (b *tab) fits(what string) {
	b.t.Helper()
	if over := js[float64](b, "document.documentElement.scrollWidth") - float64(b.width); over > 0 { // innerWidth grows with the page on a phone
		b.t.Errorf("%s: the page is %v px wider than the window", what, over)
	}
	broken := js[[]string](b, `$$(".foot > span, .pill, button").filter(e => e.checkVisibility() && e.innerText.split(/\s+/).some(word => {
		const text = [...e.childNodes].find(n => n.nodeType === 3 && n.data.includes(word)), range = document.createRange();
		if (!word || !text) return false;
		range.setStart(text, text.data.indexOf(word)), range.setEnd(text, text.data.indexOf(word) + word.length);
		return new Set([...range.getClientRects()].map(r => Math.round(r.y))).size > 1;
	})).map(e => e.outerHTML.slice(0, 120))`)
	for _, e := range broken {
		b.t.Errorf("%s: breaks a word: %s", what, e)
	}
	small := js[[]string](b, `innerWidth > 500 ? [] : $$("button, select, input:not([type=checkbox], [type=radio]), nav a").filter(e => e.checkVisibility()).
		filter(e => { const r = e.getBoundingClientRect(); return r.height < 43.5 || r.width < 43.5; }).map(e => e.outerHTML.slice(0, 120))`)
	cut := js[[]string](b, `$$("button, a.button").filter(e => e.checkVisibility()).filter(e => {
		const r = e.getBoundingClientRect(), around = e.closest(".card, .soon li, .tools")?.getBoundingClientRect(), label = e.querySelector(".label");
		return e.scrollWidth > e.clientWidth + 1 || around && r.right > around.right + 1 || label && label.getBoundingClientRect().width < 5 || !(e.textContent.trim() || e.ariaLabel);
	}).map(e => e.outerHTML.slice(0, 120))`)
	for _, e := range cut {
		b.t.Errorf("%s: does not show what it does: %s", what, e)
	}
	for _, e := range small {
		b.t.Errorf("%s: smaller than 44 px: %s", what, e)
	}
}

// distinct fails the test unless what colors tell apart is told apart without them, too.
func (b *tab) distinct(what string) {
	b.t.Helper()
	if !js[bool](b, `matchMedia("(forced-colors: active)").matches && getComputedStyle($("nav a[aria-current]")).outlineStyle === "solid"`) {
		b.t.Errorf("%s: the current view is not marked in forced colors", what)
	}
	bare := js[[]string](b, `$$(".pill, .card, .tile, .soon li, button:not(.ghost), input, select").filter(e => e.checkVisibility() && !["range", "checkbox", "radio"].includes(e.type) && getComputedStyle(e).borderTopStyle === "none").map(e => e.outerHTML.slice(0, 100))`)
	for _, e := range bare {
		b.t.Errorf("%s: without a border in forced colors: %s", what, e)
	}
}

func TestEveryViewFitsAndIsAccessibleInEveryLook(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	s.put("hostile", "ann", hostile, true, time.Hour)
	s.put("long", "ann", strings.Repeat("longname", 25), true, time.Hour)
	many := sessioncleanup.TagChange{Add: []string{"vip", "a-b_c.d:e", strings.Repeat("x", sessioncleanup.MaxTag)}}
	if _, err := s.manager.Tag(t.Context(), "long", many); err != nil {
		t.Fatal(err)
	}
	if _, err := s.manager.Delete(t.Context(), "closed"); err != nil {
		t.Fatal(err)
	}
	for name, l := range looks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for who, views := range map[string][]string{"owner:ann": {"sessions", "archive", "log"}, "admin": {"overview", "sessions", "archive", "log", "owners", "policy"}} {
				b := newTab(t, l)
				b.open(s.url, who)
				for _, view := range views {
					js[any](b, "(location.hash = '#"+view+"', null)")
					b.until("$('session-manager-" + view + "') && !$('.skeleton') && $('.sentence') && !$('[aria-busy]')")
					what := who + " " + view + " " + name
					if l.forced {
						b.distinct(what)
					}
					b.fits(what)
					if l.audit && view != "owners" && view != "policy" { // their own tests do that
						b.accessible(what)
					}
					b.save(what)
				}
				if js[bool](b, "!!window.pwned") {
					t.Error("a name became markup")
				}
			}
		})
	}
}

func TestAnOwnerSeesOneSentenceAndOneStateWithADateForEachSession(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	b := newTab(t, look{lang: "en"})
	b.open(s.url, "owner:ann")
	sentence := func(want string) { b.until(fmt.Sprintf("text('.sentence').replace(/\\s+/g, ' ') === %q", want)) }
	sentence("3 open, 1 closes in 4 hours, 1 is deleted in 5 days.")
	b.until("$$('.row').length === 5 && $$('[data-soon]').length === 2")
	for id, want := range map[string]string{
		"live": "Live closes tomorrow at", "closing": "Closing closes in 4 hours", "closed": "Closed deleted on", "deleting": "Deleted soon deleted in 5 days",
		"protected": "Protected kept until you end it",
	} {
		if got := js[string](b, fmt.Sprintf("text('.row[data-id=%s] .state').replace(/\\s+/g, ' ')", id)); !strings.HasPrefix(got, want) {
			t.Errorf("%s says %q, want %q", id, got, want)
		}
	}
	if strings.Contains(js[string](b, "root().textContent"), "Bob") {
		t.Error("an owner sees another one's session")
	}
	b.click("[data-act=lang]")
	sentence("3 ouvertes, 1 se ferme dans 4 heures, 1 est supprimée dans 5 jours.")
}

// row is the selector of a button of a session.
func row(id, action string) string { return fmt.Sprintf(".row[data-id=%s] [data-act=%s]", id, action) }

func TestAnOwnerChangesSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	b := newTab(t, look{width: 320, height: 700, keys: true})
	b.open(s.url, "owner:ann")

	b.click(row("live", "deactivate"))
	b.until("text('.toasts').includes('“Friday requests” is closed') && $(" + fmt.Sprintf("%q", row("live", "reactivate")) + ")")
	if s.get("live").Active {
		t.Error("the session is not closed")
	}
	b.click(row("live", "reactivate"))
	b.until("text('.toasts').includes('is open again')")
	if !s.get("live").Active {
		t.Error("the session is not open again")
	}

	before := s.get("deleting").DeleteAt
	b.click(row("deleting", "keep"))
	b.until("$('dialog[open]')")
	b.accessible("keep dialog")
	b.save("dialog keep")
	b.click("dialog .primary")
	b.until("!$('dialog') && text('.toasts').includes('is kept')")
	if kept := s.get("deleting").DeleteAt.Sub(before); kept < 36*time.Hour || kept > 60*time.Hour {
		t.Errorf("deleted %v later, want from in 5 days to in 7 days", kept)
	}
	b.click(row("deleting", "keep"))
	b.click("dialog input[value='30']")
	b.click("dialog .primary")
	b.until("!$('dialog')")
	if left := time.Until(s.get("deleting").DeleteAt); left < 29*day {
		t.Errorf("deleted in %v, want 30 days", left)
	}
	b.click(row("closed", "keep"))
	b.click("dialog input[value=always]")
	b.click("dialog .primary")
	b.until("!$('dialog') && $(" + fmt.Sprintf("%q", row("closed", "unprotect")) + ")")
	if s.get("closed").AutoCleanup {
		t.Error("the session is not protected")
	}
	b.click(row("closed", "unprotect"))
	b.until("$(" + fmt.Sprintf("%q", row("closed", "keep")) + ")")

	b.click(row("closing", "delete"))
	b.until("$('dialog[open]') && text('dialog').includes('Delete “Chill evening”?') && text('dialog').includes('30 days')")
	b.accessible("delete dialog")
	b.save("dialog delete")
	b.run(escape)
	b.until("!$('dialog')")
	if s.gone("closing") {
		t.Fatal("deleted without a confirmation")
	}
	b.click(row("closing", "delete"))
	b.click("dialog .danger")
	b.until("!$('.row[data-id=closing]') && $('[data-act=undo]')")
	if !s.gone("closing") {
		t.Fatal("the session is not deleted")
	}
	b.until("root().activeElement?.closest('.row, [data-soon]')") // the keyboard does not begin at the top again
	b.click("[data-act=undo]")
	b.until("$('.row[data-id=closing]')")
	if s.gone("closing") {
		t.Error("the deletion is not undone")
	}
	b.click("[data-go=log]")
	b.until("$('[data-event=restored]') && $('[data-event=deleted]') && $('[data-event=deactivated]') && text('[data-event=deleted]').includes('by you')")
}

func TestTheTrashRestoresAndSaysWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	for _, id := range []string{"closed", "live", "bobs"} {
		if _, err := s.manager.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	s.put("live", "ann", "Its ID is in use again", true, time.Hour)
	b := newTab(t, look{keys: true})
	b.open(s.url+"#archive", "owner:ann")
	b.until("$$('[data-entry]').length === 2 && text('[data-entry=closed]').includes('removed permanently on')")
	b.click("[data-entry=live] [data-act=restore]")
	b.until("text('dialog').includes('cannot be restored') && $('dialog li')")
	b.click("dialog button")
	b.click("[data-entry=closed] [data-act=restore]")
	b.until("!$('[data-entry=closed]') && text('.toasts').includes('is back')")
	if s.gone("closed") {
		t.Error("the session is not restored")
	}
}

func TestSearchPagesAndSelectionChangeSeveralAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	for i := range 45 {
		s.put(fmt.Sprintf("s%02d", i), "ann", fmt.Sprintf("Show %02d", i), true, time.Duration(i+1)*time.Minute)
	}
	b := newTab(t, look{keys: true})
	b.open(s.url, "owner:ann")
	b.until("$$('.row').length === 20 && $('.row[data-id=s00]')")
	b.click(".foot .acts button:last-child")
	b.until("$('.row[data-id=s20]') && text('.foot').includes('Page 2')")
	b.run(reload)
	b.until("$('.row[data-id=s20]')") // the page is in the address
	b.click(".foot .acts button:first-child")
	b.until("$('.row[data-id=s00]')")
	b.fill("input[name=q]", "show ")
	b.until("location.hash.endsWith('q=show') && $$('.row').length === 20 && $('input[name=q]').value === 'show '") // the space stays while the next word is thought of
	b.run(chromedp.KeyEvent("1"))
	b.until("$$('.row').length === 10 && location.hash.endsWith('q=show+1')")
	b.click(".pick-all input")
	b.until("text('.bulk').includes('10 selected')")
	b.accessible("selection")
	b.save("selection")
	b.click(".bulk [data-act=deactivate]")
	b.until("text('.toasts').includes('10 sessions are closed') && !$('.bulk') && $('.row[data-id=s10] .closed')")
	if s.get("s10").Active || !s.get("s20").Active {
		t.Error("other sessions are closed than were selected")
	}
	b.until("location.hash.includes('q=show')") // kept after the action
	b.fill("input[name=q]", "nothing like this")
	b.until("text('.empty').includes('No session matches')")
	b.click(".empty button")
	b.until("$$('.row').length === 20")
}

func TestWithoutAnArchiveDeletionIsPermanentAndSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t, sessioncleanup.Policy{})
	s.annsSessions()
	b := newTab(t, look{})
	b.open(s.url, "owner:ann")
	b.click(row("live", "delete"))
	b.until("text('dialog').includes('Deletion is permanent')")
	b.click("dialog .danger")
	b.until("text('.toasts').includes('is deleted') && !$('[data-act=undo]')")
}
