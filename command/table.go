package command

import (
	"strings"

	"github.com/rivo/uniseg"

	"github.com/sessioncleanup/sessioncleanup"
)

// color is the code of a terminal's color or style (ECMA-48, SGR).
type color string

const (
	plain  color = ""
	bold   color = "1"
	red    color = "31"
	green  color = "32"
	yellow color = "33"
	dim    color = "2"
)

// cell is one field of a table.
type cell struct {
	text  string
	color color
	right bool // aligned to the right, as numbers are
}

func text(s string) cell        { return cell{text: s} }
func figure(n int) cell         { return cell{text: number(n), right: true} }
func (c cell) in(of color) cell { c.color = of; return c }

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
		row[i].color = bold
	}
	return row
}

// statusOf is the status of a session, with the tag whose rule set what is due.
func statusOf(s sessioncleanup.Session) cell {
	c, tag := statusCell(s.Status), s.DeleteRule
	if s.Active {
		tag = s.DeactivateRule
	}
	if tag != "" && s.AutoCleanup {
		c.text += " (tag " + tag + ")"
	}
	return c
}

func statusCell(s sessioncleanup.Status) cell {
	colors := map[sessioncleanup.Status]color{
		sessioncleanup.StatusActive: green, sessioncleanup.StatusToDeactivate: yellow,
		sessioncleanup.StatusInactive: dim, sessioncleanup.StatusToDelete: red,
	}
	return text(string(s)).in(colors[s])
}

// table aligns the columns of rows. Widths are those on a terminal: a name may hold emoji.
func (a *app) table(rows [][]cell) string {
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
			shown := a.paint(c.color, c.text)
			if c.right {
				line += " " + fill + shown + " "
			} else {
				line += " " + shown + fill + " "
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// paint colors a text, on a terminal only.
func (a *app) paint(c color, s string) string {
	if !a.colors || c == plain || s == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}
