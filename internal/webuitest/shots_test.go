package webuitest

import (
	"bytes"
	"cmp"
	"context"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestScreenshotsForTheDocs makes those of docs/page.md:
//
//	go test -run ForTheDocs . -args -shots ../../docs/page
func TestScreenshotsForTheDocs(t *testing.T) {
	if *shots == "" {
		t.Skip("it makes pictures, with -shots DIR")
	}
	url := demo(t)
	as := func(l look, form string) *tab {
		b := newTab(t, l)
		b.open(url+"login", "")
		b.send(chromedp.Click("form:nth-of-type("+form+") button", chromedp.ByQuery))
		b.until("$('[data-view]') && !$('.skeleton') && !$('[aria-busy]') && $('.pulse.on')")
		return b
	}
	const admin, owner = "2", "3"
	wide := look{width: 1200, height: 780}
	as(wide, owner).picture("owner")
	b := as(wide, admin)
	b.picture("admin")
	b.fill("input[name=owner_id]", "3")
	b.fill("input[name=inactive_hours]", "12")
	b.fill("input[name=delete_old_days]", "20")
	b.click("form.fields button")
	b.until("$('#plan')")
	b.click("#plan summary")
	js[any](b, "($('#plan').scrollIntoView({block: 'start'}), scrollBy(0, -260), null)")
	b.picture("plan")
	b.click("[data-go=archive]")
	b.until("$$('[data-entry]').length > 3")
	b.picture("archive")
	b.click("[data-go=overview]")
	b.click("[data-to=policy]")
	b.fill("input[name=inactive_hours]", "12")
	b.fill("input[name=rules]", "vip: delete=never; test: inactive=1h delete=1d")
	b.until("/[0-9]+ would be closed/.test(text('#would')) && !$('#would[aria-busy=true]')")
	b.picture("rules")
	as(look{width: 1200, height: 780, dark: true, lang: "fr"}, owner).picture("owner-dark")
	b = as(look{width: 360, height: 740}, owner)
	b.picture("phone")
	b.click("[data-soon] [data-act=keep]")
	b.until("$('dialog[open]')")
	b.picture("phone-keep")
}

// picture saves the window in 256 colors: small, and hardly different.
func (b *tab) picture(name string) {
	b.t.Helper()
	var data []byte
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		data, err = page.CaptureScreenshot().Do(ctx)
		return err
	}))
	full, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		b.t.Fatal(err)
	}
	small := image.NewPaletted(full.Bounds(), paletteOf(full))
	nearest := map[color.Color]uint8{}
	for y := range full.Bounds().Dy() {
		for x := range full.Bounds().Dx() {
			c := full.At(x, y)
			i, known := nearest[c]
			if !known {
				i = uint8(small.Palette.Index(c)) //nolint:gosec // below 256
				nearest[c] = i
			}
			small.SetColorIndex(x, y, i)
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), out.Bytes(), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// paletteOf are the most frequent colors of a picture.
func paletteOf(of image.Image) color.Palette {
	count := map[color.Color]int{}
	for y := range of.Bounds().Dy() {
		for x := range of.Bounds().Dx() {
			count[of.At(x, y)]++
		}
	}
	colors := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return cmp.Compare(count[b], count[a]) })
	return colors[:min(len(colors), 256)]
}
