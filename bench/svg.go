package bench

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// chart is a picture of horizontal bars, in groups.
type chart struct {
	title, axis string
	series      []string // the names of a group's bars
	groups      []group
}

type group struct {
	name string
	bars []estimate // one per series
}

// Sizes in pixels.
const (
	chartWidth  = 860
	labelWidth  = 270 // left of the bars
	figureWidth = 70  // right of the longest bar
	barHeight   = 15
	groupGap    = 14
	headHeight  = 68 // title and legend
	footHeight  = 40
)

// colors of the series; the first, this project's, stands out. They differ in brightness too.
var colors = []string{"#1b6ca8", "#e07b39", "#9aa5b1"}

// svg draws the chart: a bar per median, with its figure, and a line over its interval.
func (c chart) svg() string {
	longest := 0.0
	for _, g := range c.groups {
		for _, bar := range g.bars {
			longest = max(longest, bar.median)
			if bar.known() {
				longest = max(longest, bar.high)
			}
		}
	}
	scale := (chartWidth - labelWidth - figureWidth) / longest
	height := headHeight + footHeight + len(c.groups)*(len(c.series)*barHeight+groupGap)

	var out strings.Builder
	text := func(x, y float64, attributes, format string, args ...any) {
		fmt.Fprintf(&out, "<text x=\"%.1f\" y=\"%.1f\"%s>%s</text>\n", x, y, attributes, html.EscapeString(fmt.Sprintf(format, args...)))
	}
	rect := func(x, y, width, height float64, color string) {
		fmt.Fprintf(&out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x, y, width, height, color)
	}
	fmt.Fprintf(&out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#222\">\n", chartWidth, height)
	rect(0, 0, chartWidth, float64(height), "#fff")
	text(16, 26, ` font-size="16" font-weight="bold"`, "%s", c.title)
	for i, name := range c.series {
		x := float64(16 + i*170)
		rect(x, 42, 12, 12, colors[i])
		text(x+18, 53, "", "%s", name)
	}
	y := float64(headHeight + groupGap/2)
	for _, g := range c.groups {
		text(labelWidth-10, y+float64(len(g.bars)*barHeight)/2+4, ` text-anchor="end"`, "%s", g.name)
		for i, bar := range g.bars {
			end := labelWidth + bar.median*scale
			if math.IsNaN(end) {
				end = labelWidth
			}
			rect(labelWidth, y+1, end-labelWidth, barHeight-2, colors[i])
			if bar.known() {
				fmt.Fprintf(&out, "<path d=\"M%.1f %.1fH%.1f\" stroke=\"#222\"/>\n", labelWidth+bar.low*scale, y+barHeight/2.0, labelWidth+bar.high*scale)
				end = max(end, labelWidth+bar.high*scale)
			}
			text(end+6, y+barHeight-3, ` font-size="12"`, "%s", number(bar.median))
			y += barHeight
		}
		y += groupGap
	}
	text(labelWidth, float64(height)-14, "", "%s", c.axis)
	out.WriteString("</svg>\n")
	return out.String()
}
