package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

//go:embed report.md.tmpl
var reportText string

// page is what the template of the report sees: the results, and methods that make tables and figures of them.
type page struct{ *Results }

// report writes benchmarks.md into a folder, and the plots into the folder benchmarks in it.
func report(r *Results, docs string) error {
	text, err := template.New("report").Option("missingkey=error").Parse(reportText)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := text.Execute(&out, page{r}); err != nil {
		return err
	}
	plots := filepath.Join(docs, "benchmarks")
	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	if err := drawPlots(page{r}, plots); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(docs, "benchmarks.md"), out.Bytes(), 0o644)
}

// table is one in Markdown. Columns of figures stand at the right.
func table(header []string, rows [][]string) string {
	var out strings.Builder
	line := func(cells []string) { out.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(header)
	rule := make([]string, len(header))
	for i := range rule {
		rule[i] = "---"
		if i > 0 && !slices.ContainsFunc(rows, func(row []string) bool { return !figure.MatchString(row[i]) }) {
			rule[i] = "---:"
		}
	}
	line(rule)
	for _, row := range rows {
		line(row)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// figure is what a cell with a figure looks like.
var figure = regexp.MustCompile(`^(–|-?[0-9][0-9,.]*( %)?)( |$)`)

// num writes a figure with as many digits as say something; a figure that is not there is a dash.
func num(v float64) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case size == 0:
		return "0"
	case size >= 100:
		return grouped(int64(math.Round(v)))
	case size >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case size >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default: // two digits that are not 0
		return strconv.FormatFloat(v, 'f', 1-int(math.Floor(math.Log10(size))), 64)
	}
}

// grouped writes a whole number with its thousands apart.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// ratioOf is the median of the ratios of each round, with the interval in which it is known to lie, or with the smallest
// and the largest of few rounds.
func ratioOf(ratios []float64) string {
	if len(ratios) == 0 {
		return "–"
	}
	low, high := interval(ratios)
	if math.IsInf(low, 0) || math.IsInf(high, 0) {
		low, high = slices.Min(ratios), slices.Max(ratios)
	}
	if len(ratios) == 1 || low == high {
		return num(median(ratios))
	}
	return fmt.Sprintf("%s (%s to %s)", num(median(ratios)), num(low), num(high))
}

// ratiosOf are those of each round: samples of a round were taken one after the other, so what disturbed one disturbed the
// other.
func ratiosOf(a, b []float64) []float64 {
	var ratios []float64
	for i := range min(len(a), len(b)) {
		if b[i] != 0 && !math.IsNaN(a[i]) && !math.IsNaN(b[i]) {
			ratios = append(ratios, a[i]/b[i])
		}
	}
	return ratios
}

// distinct are the different values of something in samples, in the order in which they come.
func distinct[S any, T comparable](samples []S, of func(S) T) []T {
	var out []T
	for _, s := range samples {
		if v := of(s); !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// minute is how the page writes a time.
const minute = "2006-01-02 15:04"

// made is a measurement and under what it was made.
type made struct {
	name string
	Setting
}

// settings are under what the figures were measured, in the order of the page.
func (p page) settings() []made {
	var all []made
	for _, name := range append(measurementNames(), barsName) {
		for _, setting := range p.Settings[name] {
			all = append(all, made{name, setting})
		}
	}
	return all
}

// SettingTable says when and how each measurement was made.
func (p page) SettingTable() string {
	var rows [][]string
	for _, s := range p.settings() {
		var sizes []string
		for _, n := range s.Sizes {
			sizes = append(sizes, grouped(int64(n)))
		}
		stolen := "–"
		if s.Stolen != nil {
			stolen = percent(*s.Stolen)
		}
		files := s.Files
		if files == "" {
			files = "–"
		}
		rows = append(rows, []string{s.name, s.At.Format(minute) + " UTC", "`" + codeInTable(s.Command) + "`", strconv.Itoa(s.Rounds), strings.Join(sizes, "; "), files, num(s.Load), stolen})
	}
	return table([]string{"measurement", "when", "command", "rounds", "sizes", "files on", "load average at its beginning", "processors stolen"}, rows)
}

// InMemory names the measurements whose databases were on a file system in memory; it is empty when there are none.
func (p page) InMemory() string {
	of := slices.DeleteFunc(p.settings(), func(s made) bool { return s.Files != "tmpfs" || s.name == "memory" || s.name == "http" }) // these have no files
	return strings.Join(distinct(of, func(s made) string { return s.name }), ", ")
}

// Machines describes what the measurements ran on: one line when it was the same for all of them.
func (p page) Machines() string {
	machine := func(s made) string {
		var versions []string
		for name, version := range s.Versions {
			versions = append(versions, name+" "+version)
		}
		slices.Sort(versions)
		return fmt.Sprintf("%d cores of %s, %.0f GB of memory, %s; %s", s.Cores, s.CPU, s.MemoryGB, s.OS, strings.Join(versions, ", "))
	}
	var lines []string
	all := distinct(p.settings(), machine)
	for _, m := range all {
		line := "Machine: " + m + "."
		if len(all) > 1 {
			of := slices.DeleteFunc(p.settings(), func(s made) bool { return machine(s) != m })
			line = "- For " + strings.Join(distinct(of, func(s made) string { return s.name }), ", ") + ": " + m + "."
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
