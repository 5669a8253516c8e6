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
