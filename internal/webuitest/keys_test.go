package webuitest

import (
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var (
	escape = chromedp.KeyEvent(kb.Escape)
	tabKey = chromedp.KeyEvent(kb.Tab)
	enter  = chromedp.KeyEvent(kb.Enter)
	reload = chromedp.Reload()
)
