package webuitest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestScreenshots saves screenshots of a running server's page, with -shots DIR and the server's URL in WEBUI_URL.
func TestScreenshots(t *testing.T) {
	url := os.Getenv("WEBUI_URL")
	if url == "" || *shots == "" {
		t.Skip("needs -shots and WEBUI_URL")
	}
	for _, l := range []look{{320, 720, false, "en", false}, {768, 1024, true, "fr", false}, {1440, 950, false, "en", false}, {1440, 950, true, "fr", false}, {320, 720, true, "fr", false}} {
		for user, form := range map[string]int{"admin": 2, "owner": 3} {
			b := newTab(t, l)
			b.open(url+"login", "")
			b.save(fmt.Sprintf("%s-%d-%v-login", l.lang, l.width, l.dark))
			b.run(chromedp.Click(fmt.Sprintf("form:nth-of-type(%d) button", form), chromedp.ByQuery))
			for _, view := range []string{"", "sessions", "archive", "log"} {
				if view != "" {
					b.click(fmt.Sprintf("[data-go=%s]", view))
				}
				b.until("$('[data-view]') && !$('.skeleton')")
				time.Sleep(300 * time.Millisecond)
				b.save(fmt.Sprintf("%s-%d-%v-%s-%s", l.lang, l.width, l.dark, user, view))
			}
		}
	}
}
