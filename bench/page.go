package bench

import (
	_ "embed" // the page's template
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"github.com/dustin/go-humanize"
)

//go:embed page.md.tmpl
var pageTemplate string

// page is what the template shows.
type page struct{ *Results }

// engineNames are the databases, in the order of the page.
var engineNames = []string{"PostgreSQL", "SQLite"}

// Render writes the page and its pictures from the results below the folder of the docs.
func Render(t *testing.T, docs string) {
	t.Helper()
	results, err := readResults(filepath.Join(docs, resultsFile))
	check(t, err)
	p := page{results}
	for name, c := range map[string]chart{"cleanup": p.cleanupChart(), "tracking": p.trackingChart(), "queries": p.queriesChart()} {
		check(t, os.WriteFile(filepath.Join(docs, "benchmarks", name+".svg"), []byte(c.svg()), 0o644))
	}
	var text strings.Builder
	check(t, template.Must(template.New("page").Parse(pageTemplate)).Execute(&text, p))
	check(t, os.WriteFile(filepath.Join(docs, "benchmarks.md"), []byte(text.String()), 0o644))
}

// Engines are the names of the databases.
func (p page) Engines() []string { return engineNames }

// Trial reports whether the run was smaller than what scripts/bench does.
func (p page) Trial() bool { return p.Setting.Sizes != Full }

// Count writes a number of sessions.
func (p page) Count(n int) string { return humanize.Comma(int64(n)) }

// Due and Deletable are numbers of sessions.
func (p page) Due() string       { return p.Count(p.Setting.Sizes.due()) }
func (p page) Deletable() string { return p.Count(p.Setting.Sizes.deletable()) }

// Many is the number of sessions in use that get activity.
func (p page) Many() string {
	return p.Count(min(many, p.Setting.Sizes.Sessions-p.Setting.Sizes.due()))
}

// CleanupTable has a row for each figure of a cleanup and a column for each contender.
func (p page) CleanupTable(engine string) string {
	rows := [][]string{{""}}
	for _, c := range contenders {
		rows[0] = append(rows[0], c.name)
	}
	rows[0] = append(rows[0], ours+" / "+cronJob)
	for _, figure := range []string{aloneSeconds, loadedSeconds, longestMS, returningP50, returningP99, returningWorst, othersP50, othersP99} {
		row := []string{figure}
		for _, c := range contenders {
			row = append(row, p.of("cleanup", engine, c.name, figure).String())
		}
		rows = append(rows, append(row, p.ratio("cleanup", engine, ours, cronJob, figure).String()))
	}
	return table(1, rows)
}

func (p page) cleanupChart() chart {
	c := chart{
		title:  fmt.Sprintf("A cleanup of %s of %s sessions while clients use the database", p.Due(), p.Count(p.Setting.Sizes.Sessions)),
		axis:   "milliseconds, median and its interval; less is better",
		series: []string{ours, cronJob, loop},
	}
	for _, engine := range engineNames {
		for _, f := range []struct{ figure, words string }{
			{longestMS, "longest transaction"}, {returningP99, "returning users, p99 wait"}, {othersP99, "others, p99 wait"},
		} {
			g := group{name: engine + ": " + f.words}
			for _, name := range c.series {
				g.bars = append(g.bars, p.of("cleanup", engine, name, f.figure))
			}
			c.groups = append(c.groups, g)
		}
	}
	return c
}

// TrackingTable has a row for each database, set of sessions and way to track them.
func (p page) TrackingTable() string {
	rows := [][]string{{"database", "inserts into", "tracking", "rows/s", "compared with none"}}
	for _, engine := range engineNames {
		for _, sessions := range []string{oneSession, manySessions} {
			for _, way := range trackingWays {
				part := "tracking, " + sessions
				rows = append(rows, []string{
					engine, sessions, way.name, p.of(part, engine, way.name, rowsPerSecond).String(),
					p.ratio(part, engine, way.name, trackingWays[0].name, rowsPerSecond).String(),
				})
			}
		}
	}
	return table(3, rows)
}

func (p page) trackingChart() chart {
	c := chart{
		title: "Inserts of activity that is tracked", axis: "rows per second, in percent of those without tracking; more is better",
		series: []string{ours, "row trigger"},
	}
	for _, engine := range engineNames {
		for _, sessions := range []string{oneSession, manySessions} {
			g := group{name: engine + ": " + sessions}
			for _, name := range c.series {
				g.bars = append(g.bars, p.ratio("tracking, "+sessions, engine, name, trackingWays[0].name, rowsPerSecond).times(100))
			}
			c.groups = append(c.groups, g)
		}
	}
	return c
}

// Saved is the part of the mix's time that a cleanup saves.
func (p page) Saved(engine string) string {
	e := p.ratio("queries, "+mix, engine, after, before, meanMS)
	return estimate{100 - 100*e.median, 100 - 100*e.high, 100 - 100*e.low}.String() + "%"
}

// mixed are the queries and, as one more, the mix of them.
func mixed() []sessionQuery {
	return append(slices.Clone(sessionQueries), sessionQuery{name: mix, weight: 1})
}

// QueriesTable has a row for each query.
func (p page) QueriesTable() string {
	rows := [][]string{{"database", "query", "part of the mix", "before, ms", "after, ms", "after / before"}}
	for _, engine := range engineNames {
		for _, q := range mixed() {
			part := "queries, " + q.name
			rows = append(rows, []string{
				engine, q.name, fmt.Sprintf("%.0f%%", 100*q.weight), p.of(part, engine, before, meanMS).String(), p.of(part, engine, after, meanMS).String(),
				p.ratio(part, engine, after, before, meanMS).String(),
			})
		}
	}
	return table(2, rows)
}

func (p page) queriesChart() chart {
	c := chart{title: "Time of a service's own queries after a cleanup", axis: "percent of the time before it; less is better", series: engineNames}
	for _, q := range mixed() {
		g := group{name: q.name}
		for _, engine := range engineNames {
			g.bars = append(g.bars, p.ratio("queries, "+q.name, engine, after, before, meanMS).times(100))
		}
		c.groups = append(c.groups, g)
	}
	return c
}

// HTTPTable has a row for each request.
func (p page) HTTPTable() string {
	rows := [][]string{{"database", "request", medianMS, p99MS}}
	for _, engine := range engineNames {
		for _, r := range requests {
			rows = append(rows, []string{engine, r.name, p.of("http", engine, r.name, medianMS).String(), p.of("http", engine, r.name, p99MS).String()})
		}
	}
	return table(2, rows)
}

// table writes rows in Markdown, the first as the head. The columns behind the first names hold figures.
func table(names int, rows [][]string) string {
	var out strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&out, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&out, "|%s%s\n", strings.Repeat(" --- |", names), strings.Repeat(" ---: |", len(row)-names))
		}
	}
	return out.String()
}

// number writes a figure to three significant digits, as people read it; a dash when there is none.
func number(v float64) string {
	switch digits := 2 - int(math.Floor(math.Log10(math.Abs(v)))); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case v == 0:
		return "0"
	case digits <= 0:
		return humanize.Comma(int64(math.Round(v)))
	default:
		return strconv.FormatFloat(v, 'f', min(digits, 4), 64)
	}
}
