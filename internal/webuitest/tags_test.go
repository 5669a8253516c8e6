package webuitest

import (
	"testing"

	"github.com/chromedp/chromedp"
)

func TestTagsAreShownChangedAndFilteredByKeyboard(t *testing.T) {
	t.Parallel()
	s := newSite(t, archiving)
	s.annsSessions()
	b := newTab(t, look{lang: "en"})
	b.open(s.url, "owner:ann")
	b.until("$$('.row').length === 5 && $$('.tag').length === 0")
	write := func(text string) {
		t.Helper()
		b.until("$('dialog input[name=add]') === document.activeElement || $('dialog input[name=add]')?.getRootNode().activeElement === $('dialog input[name=add]')")
		b.run(chromedp.KeyEvent(text), enter)
		b.until("!$('dialog[open]')")
	}
	focus := func(selector string) { js[bool](b, "$('"+selector+"').focus() || true") }
	focus("[data-id=live] [data-act=tag]")
	b.run(enter)
	write("vip test")
	b.until("$$('[data-id=live] .tag').map(e => e.textContent).join() === 'test,vip'")
	focus("[data-id=live] [data-act=tag]")
	b.run(enter)
	write(" gold") // behind what is there
	b.until("$$('[data-id=live] .tag').map(e => e.textContent).join() === 'gold,test,vip'")
	focus("[data-id=live] .tag:last-child")
	b.run(enter)
	b.until("$$('.row').length === 1 && $('input[name=tags]').value === 'vip'")
	b.fill("input[name=tags]", "-vip")
	b.until("$$('.row').length === 4 && !$('[data-id=live]')")
	b.click(".pick-all input")
	b.click(".bulk [data-act=tag]")
	write("other")
	b.until("$$('.row .tag').length === 4")
	tags, err := s.manager.Tags(t.Context(), "ann")
	if err != nil || len(tags) != 4 || tags[1].Tag != "other" || tags[1].Sessions != 4 {
		t.Errorf("the tags in use are %v, %v; want gold, other of 4 sessions, test and vip", tags, err)
	}
}

// Everything about tags works with the keyboard alone, on a phone too, and fits.
func TestEachActionOnTagsWorksByKeyboardOnSmallAndLargeScreens(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]look{"large": {keys: true}, "320px": {width: 320, height: 640, keys: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, archiving)
			s.annsSessions()
			b := newTab(t, l)
			fits := func(what string) {
				t.Helper()
				b.save("tags " + name + " " + what)
				b.fits(what)
				b.accessible(what)
			}
			tagsOf := func(id string) string { return "$$('[data-id=" + id + "] .tag').map(e => e.textContent).join()" }
			b.open(s.url+"#sessions", "admin")
			b.until("$$('.row').length === 6")

			b.click("[data-id=live] [data-act=tag]")
			b.until("$('dialog[open] input[name=add]')")
			b.fill("dialog input[name=add]", "vip test:with-a-long-name-that-needs-some-room-here")
			fits("dialog")
			b.run(enter)
			b.until("!$('dialog[open]') && " + tagsOf("live") + " === 'test:with-a-long-name-that-needs-some-room-here,vip'")
			fits("list")

			b.click("[data-id=live] [data-act=tag]")
			b.until("$('dialog[open] input[name=add]')")
			b.fill("dialog input[name=add]", "vip") // without the other one
			b.click("dialog button.primary")
			b.until(tagsOf("live") + " === 'vip'")

			b.click("[data-id=live] [data-act=tag]")
			b.until("$('dialog[open]')")
			b.run(escape)
			b.until("!$('dialog[open]')")

			b.click("[data-id=live] .tag")
			b.until("$$('.row').length === 1 && $('input[name=tags]').value === 'vip'")
			b.fill("input[name=tags]", "-vip")
			b.until("$$('.row').length === 5 && !$('[data-id=live]')")
			b.click(".pick-all input")
			b.click(".bulk [data-act=tag]")
			b.until("$('dialog[open] input[name=remove]')")
			b.fill("dialog input[name=add]", "other")
			b.fill("dialog input[name=remove]", "vip")
			fits("dialog of several")
			b.click("dialog button.primary")
			b.until("!$('dialog[open]') && $$('.row .tag').length === 5")
			fits("list of several")

			b.open(s.url+"#overview", "admin")
			b.until("$('input[name=analytics-tags]') && $('[data-chart=ages] li.live strong').textContent === '4'")
			b.fill("input[name=analytics-tags]", "vip")
			b.run(enter)
			b.until("$('[data-chart=ages] li.live strong').textContent === '1' && !$('[data-chart=past]')")
			js[any](b, "($('#analytics').scrollIntoView(), null)")
			fits("analytics")
		})
	}
}
