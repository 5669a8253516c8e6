package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"codeberg.org/go-fonts/dejavu/dejavusans"
	"golang.org/x/image/font/opentype"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// colours of contenders; ours stands out, and all of them differ in brightness too.
var colours = []color.RGBA{{0x1b, 0x6c, 0xa8, 0xff}, {0xe0, 0x7b, 0x39, 0xff}, {0x7d, 0x8a, 0x97, 0xff}, {0x5b, 0x8c, 0x5a, 0xff}, {0x7a, 0x4b, 0x94, 0xff}}

// series is what one contender adds to a plot.
type series struct {
	name   string
	xs, ys []float64 // of lines
	values []float64 // of bars, one for each group
}

// drawPlots writes those plots that there are figures for.
func drawPlots(p page, dir string) error {
	for _, draw := range []func(page, string) error{drawPicture, drawGrowth, drawTracking, drawPages, drawQueries} {
		if err := draw(p, dir); err != nil {
			return err
		}
	}
	return nil
}

// drawPicture shows a cleanup under load, this project's and the cron job's.
func drawPicture(p page, dir string) error {
	size := p.FacedSize()
	if size == 0 {
		return nil
	}
	ours := series{name: ours}
	cron := series{name: "cron job: UPDATE and DELETE"}
	var groups []string
	for _, f := range faces() {
		if !f.drawn {
			continue
		}
		groups = append(groups, strings.TrimSuffix(f.what, ", ms"))
		ours.values = append(ours.values, median(p.faced(f, ours.name)))
		cron.values = append(cron.values, median(p.faced(f, byHandOnce)))
	}
	title := fmt.Sprintf("Cleaning up %s of %s sessions under load (PostgreSQL)", grouped(int64(size*facedDue/100)), grouped(int64(size)))
	return barPlot(filepath.Join(dir, "picture.svg"), title, "milliseconds; less is better", groups, []series{ours, cron})
}

// drawGrowth shows how the time of a cleanup grows with the table.
func drawGrowth(p page, dir string) error {
	var all []series
	for _, name := range p.contendersOn(onPostgres) {
		line := series{name: name}
		for _, size := range p.CleanupSizes() {
			line.xs = append(line.xs, float64(size))
			line.ys = append(line.ys, median(p.cleanups(onPostgres, name, size, facedDue, cleanupSeconds)))
		}
		all = append(all, line)
	}
	return linePlot(filepath.Join(dir, "growth.svg"), "Time of a cleanup, 80 % due (PostgreSQL, nobody else there)", "rows in the table", "seconds", all)
}

// drawTracking shows what it costs to follow activity.
func drawTracking(p page, dir string) error {
	if len(p.Tracking) == 0 {
		return nil
	}
	var groups []string
	all := []series{{name: "a trigger that does nothing"}, {name: "this project's trigger"}, {name: rowTrigger}}
	for _, sh := range shapes {
		groups = append(groups, sh.words)
		for i, way := range trackingWays()[1:] {
			ratio := median(ratiosOf(p.tracked(way, sh.shape, sh.sessions, trackedRows), p.tracked(untracked, sh.shape, sh.sessions, trackedRows)))
			all[i].values = append(all[i].values, 100*ratio)
		}
	}
	return barPlot(filepath.Join(dir, "tracking.svg"), "Insertion of activity, compared with no tracking", "rows per second, in percent of those without tracking", groups, all)
}

// drawPages shows pages of a list in a growing table.
func drawPages(p page, dir string) error {
	var all []series
	for _, q := range []struct{ question, way string }{{pageDeep, ours}, {pageDeep, byOffset}, {statistics, ours}, {statistics, fiveCounts}, {nothingDue, ours}} {
		line := series{name: q.question + ", " + q.way}
		for _, size := range p.readingSizes() {
			line.xs = append(line.xs, float64(size))
			line.ys = append(line.ys, median(p.read(q.question, q.way, size)))
		}
		if len(line.xs) > 0 {
			all = append(all, line)
		}
	}
	return linePlot(filepath.Join(dir, "reading.svg"), "Questions to a growing table (PostgreSQL)", "sessions in the table", "milliseconds", all)
}

// drawQueries shows what the host's own queries gain.
func drawQueries(p page, dir string) error {
	sizes := p.querySizes()
	if len(sizes) == 0 {
		return nil
	}
	size := sizes[len(sizes)-1]
	all := []series{{name: stageAfter}, {name: stageVacuumed}}
	for _, name := range queryNames() {
		for i, stage := range []string{stageAfter, stageVacuumed} {
			all[i].values = append(all[i].values, 100-p.saved(name, stage, size))
		}
	}
	title := fmt.Sprintf("Time of a service's own queries, %s sessions, 80 %% of them stale", grouped(int64(size)))
	return barPlot(filepath.Join(dir, "queries.svg"), title, "time, in percent of that before the cleanup", queryNames(), all)
}

const (
	plotWidth  = 22 * vg.Centimeter
	plotHeight = 11 * vg.Centimeter
	barWidth   = 0.42 * vg.Centimeter
)

// barPlot draws groups of horizontal bars, the first group at the top, with the figure behind each bar.
func barPlot(file, title, axis string, groups []string, all []series) error {
	p := newPlot(title)
	p.X.Label.Text = axis
	p.X.Min = 0
	names := make([]string, len(groups)) // an axis counts from below
	for i, name := range groups {
		names[len(groups)-1-i] = name
	}
	p.NominalY(names...)
	most := 0.0
	for n, s := range all {
		heights := make(plotter.Values, len(groups))
		labels := plotter.XYLabels{}
		offset := (float64(len(all)-1)/2 - float64(n)) * float64(barWidth)
		for i, v := range s.values {
			at := len(groups) - 1 - i
			if math.IsNaN(v) || math.IsInf(v, 0) {
				v = 0
			}
			heights[at] = v
			most = max(most, v)
			labels.XYs = append(labels.XYs, plotter.XY{X: v, Y: float64(at)})
			labels.Labels = append(labels.Labels, num(v))
		}
		bars, err := plotter.NewBarChart(heights, barWidth)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		bars.Horizontal, bars.Color, bars.LineStyle.Width, bars.Offset = true, colours[n], 0, vg.Length(offset)
		figures, err := plotter.NewLabels(labels)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		figures.Offset = vg.Point{X: 4, Y: vg.Length(offset)}
		for i := range figures.TextStyle {
			figures.TextStyle[i].YAlign, figures.TextStyle[i].Font = text.YCenter, sans(9)
		}
		p.Add(bars, figures)
		p.Legend.Add(s.name, bars)
	}
	p.X.Max = max(most*1.12, 1e-9)
	height := vg.Length(len(groups))*(vg.Length(len(all))*barWidth+0.5*vg.Centimeter) + 4*vg.Centimeter
	return save(p, file, height)
}

// linePlot draws a line for each of several contenders; both axes are logarithmic.
func linePlot(file, title, x, y string, all []series) error {
	if len(all) == 0 {
		return nil
	}
	p := newPlot(title)
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = decades{}, decades{}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{0xe0}, color.Gray{0xe0}
	p.Add(grid)
	for n, s := range all {
		points := make(plotter.XYs, len(s.xs))
		for i := range s.xs {
			if !(s.ys[i] > 0) { // nor a logarithm of what was not measured
				return fmt.Errorf("%s: %s has no figure at %v", file, s.name, s.xs[i])
			}
			points[i] = plotter.XY{X: s.xs[i], Y: s.ys[i]}
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		line.Color, line.Width, dots.Color, dots.Shape, dots.Radius = colours[n], 2, colours[n], shapesOfDots[n], 3.5
		p.Add(line, dots)
		p.Legend.Add(s.name, line, dots)
	}
	p.X.Min, p.X.Max = p.X.Min*0.8, p.X.Max*1.25
	p.Y.Min, p.Y.Max = p.Y.Min*0.7, p.Y.Max*1.4
	return save(p, file, plotHeight)
}

// shapesOfDots tell lines apart where colours do not.
var shapesOfDots = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.PyramidGlyph{}, draw.BoxGlyph{}}

// decades marks 1, 2 and 5 of each power of ten, in figures that people read.
type decades struct{}

// Ticks gives the marks between two values.
func (decades) Ticks(from, to float64) []plot.Tick {
	var ticks []plot.Tick
	for power := math.Floor(math.Log10(from)); power <= math.Ceil(math.Log10(to)); power++ {
		for _, digit := range []float64{1, 2, 5} {
			if v := digit * math.Pow(10, power); v >= from && v <= to {
				ticks = append(ticks, plot.Tick{Value: v, Label: tickLabel(v)})
			}
		}
	}
	return ticks
}

func tickLabel(v float64) string {
	if v >= 1 {
		return grouped(int64(math.Round(v)))
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// family is the font that texts are measured in. It is wider than the others that a browser may take instead, so that
// texts fit whatever it takes.
const family = "DejaVu Sans"

// sans is that font in a size.
func sans(size vg.Length) font.Font {
	fonts()
	return font.Font{Typeface: family, Size: size}
}

var fonts = sync.OnceFunc(func() {
	face, err := opentype.Parse(dejavusans.TTF)
	if err != nil {
		panic(err) // it is part of this program
	}
	font.DefaultCache.Add(font.Collection{{Font: font.Font{Typeface: family}, Face: face}})
})

func newPlot(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Title.Padding = title, 10
	p.Title.TextStyle.Font = sans(12)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font, axis.Tick.Label.Font = sans(10), sans(10)
		axis.Label.Padding = 6
	}
	p.Legend.TextStyle.Font = sans(10)
	p.Legend.Padding, p.Legend.ThumbnailWidth = 3, 20
	p.BackgroundColor = color.White
	return p
}

// save draws the plot with its legend below, where it covers nothing.
func save(p *plot.Plot, file string, height vg.Length) error {
	legend := p.Legend
	p.Legend = plot.NewLegend()
	p.Legend.TextStyle = legend.TextStyle
	room := legend.Rectangle(draw.Canvas{Canvas: vgsvg.New(plotWidth, height), Rectangle: vg.Rectangle{Max: vg.Point{X: plotWidth, Y: height}}})
	below := room.Max.Y - room.Min.Y + 10
	svg := vgsvg.New(plotWidth, height+below)
	all := draw.New(svg)
	all.SetColor(color.White)
	all.Fill(all.Path())
	p.Draw(draw.Crop(all, 8, -12, below, -8))
	legend.Left, legend.XOffs, legend.YOffs = true, 12, 6
	legend.Draw(draw.Crop(all, 0, 0, 0, -height))
	var out bytes.Buffer
	if _, err := svg.WriteTo(&out); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	text := strings.ReplaceAll(out.String(), "font-family:"+family+";", "font-family:"+family+",Verdana,Helvetica,Arial,sans-serif;")
	return os.WriteFile(file, []byte(text), 0o644)
}
