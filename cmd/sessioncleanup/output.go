package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/rivo/uniseg"

	"github.com/sessioncleanup/sessioncleanup"
)

// say prints text for people.
func (a *app) say(format string, args ...any) error {
	_, err := fmt.Fprintf(a.out, format, args...)
	return err
}

// printJSON prints a value for programs.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// colour is how a terminal is asked for one (ECMA-48, SGR).
type colour string

const (
	plain  colour = ""
	bold   colour = "1"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	dim    colour = "2"
)

// cell is one field of a table.
type cell struct {
	text   string
	colour colour
	right  bool // aligned to the right, as numbers are
}

func text(s string) cell         { return cell{text: s} }
func figure(n int) cell          { return cell{text: number(n), right: true} }
func (c cell) in(of colour) cell { c.colour = of; return c }

func texts(words ...string) []cell {
	row := make([]cell, len(words))
	for i, word := range words {
		row[i] = text(word)
	}
	return row
}

func header(words ...string) []cell {
	row := texts(words...)
	for i := range row {
		row[i].colour = bold
	}
	return row
}

// table prints rows with aligned columns, as wide as terminals show them: a name may hold emoji.
func (a *app) table(rows [][]cell) error {
	var widths []int
	for _, row := range rows {
		for i := range row {
			row[i].text = printable(row[i].text)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], uniseg.StringWidth(row[i].text))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := " "
		for i, c := range row {
			fill := strings.Repeat(" ", widths[i]-uniseg.StringWidth(c.text))
			shown := a.paint(c.colour, c.text)
			if c.right {
				line += " " + fill + shown + " "
			} else {
				line += " " + shown + fill + " "
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return a.say("%s", b.String())
}

// paint colours a text, on a terminal only.
func (a *app) paint(c colour, s string) string {
	if !a.colours || c == plain || s == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// printable keeps what stands in somebody's database from steering the terminal. Characters that join emoji are kept.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && r != '\u200d' {
			return '·'
		}
		return r
	}, s)
}

func statusCell(s sessioncleanup.Status) cell {
	colours := map[sessioncleanup.Status]colour{
		sessioncleanup.StatusActive: green, sessioncleanup.StatusToDeactivate: yellow,
		sessioncleanup.StatusInactive: dim, sessioncleanup.StatusToDelete: red,
	}
	return text(string(s)).in(colours[s])
}

func number(n int) string { return humanize.Comma(int64(n)) }

func sessionCount(n int) string {
	if n == 1 {
		return "1 session"
	}
	return number(n) + " sessions"
}

// ago is a time as seen from now; nothing for no time.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return humanize.RelTime(t, now, "ago", "from now")
}

// moment is a time in full, in the local zone; nothing for no time.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05 MST")
}
