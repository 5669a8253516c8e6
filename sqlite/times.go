package sqlite

import (
	"fmt"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// layoutText is how the library writes times: UTC, sortable as text, readable by SQLite's own functions.
const layoutText = "2006-01-02 15:04:05.000"

// endOfTime stands for a time that cannot be read: see sql/times.sql.
const endOfTime = "9999-12-31 23:59:59.999"

// form is how a column of the application's holds times.
type form string

const (
	formText         form = "text"    // as strftime reads it: ISO 8601, with or without an offset
	formGo           form = "go"      // as time.Time.String and modernc.org/sqlite write it; or as text
	formSeconds      form = "seconds" // since 1970, as are those below
	formMilliseconds form = "milliseconds"
	formMicroseconds form = "microseconds"
	formNanoseconds  form = "nanoseconds"
)

// formOf recognizes the form of numbers by the size of one, as sql/times.sql does.
func formOf(number float64) form {
	switch {
	case number < 1e11:
		return formSeconds
	case number < 1e14:
		return formMilliseconds
	case number < 1e17:
		return formMicroseconds
	default:
		return formNanoseconds
	}
}

// write is the expression that turns text, the value of another expression, into the form.
func (f form) write(value string) string {
	return filled("write_"+string(f), sqlfile.Names{"value": value})
}

// read is the expression that reads a column of the form.
func (f form) read(column string) string {
	return filled("read_"+string(f), sqlfile.Names{"value": column})
}

// readTime is the expression that reads a column of any form, or of several.
func readTime(column string) string {
	n := sqlfile.Names{"value": column}
	for _, f := range []form{formGo, formSeconds, formMilliseconds, formMicroseconds, formNanoseconds} {
		n["read_"+string(f)] = f.read(column)
	}
	return filled("read_any", n)
}

// formatTime returns a time as text; a zero time is NULL. Digits beyond milliseconds are written only where they are
// needed, so that equal times are equal texts, and texts sort as times do.
func formatTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	switch {
	case t.Year() > 9999:
		return endOfTime
	case t.Year() < 0:
		return "0000-01-01 00:00:00.000"
	case t.Nanosecond()%int(time.Millisecond) != 0:
		return t.Format("2006-01-02 15:04:05.000000000")
	default:
		return t.Format(layoutText)
	}
}

// parseTime reads what formatTime and the expressions of sql/times.sql write; empty text is no time.
func parseTime(value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateTime, value) // which accepts any fraction of a second
	if err != nil {
		return time.Time{}, fmt.Errorf("read the time %q: %w", value, err)
	}
	return t, nil
}

// cutoffParams are the parameters that sessions are measured against; NULL where a phase is off.
func cutoffParams(c sessioncleanup.Cutoffs) params {
	p := params{"inactive": formatTime(c.Inactive), "delete": formatTime(c.Delete), "expired": formatTime(c.Now)}
	if c.Inactive.IsZero() {
		p["expired"] = nil
	}
	return p
}
