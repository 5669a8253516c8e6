package command

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
)

// say prints text for people.
func (a *app) say(format string, args ...any) error { return a.print(fmt.Sprintf(format, args...)) }

// print prints a text for people as it is.
func (a *app) print(text string) error {
	_, err := io.WriteString(a.out, text)
	return err
}

// printable replaces control characters, so that a value in a database cannot control the terminal. Characters that join
// emoji are kept. A byte that is not UTF-8 is shown as spelled does.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && r != '\u200d' {
			return '·'
		}
		return r
	}, spelled(s))
}

func number(n int) string { return humanize.Comma(int64(n)) }

// counted is a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

func sessionCount(n int) string { return counted(n, "session", "sessions") }

// wordsOf are values as text.
func wordsOf[T ~string](values []T) []string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return words
}

// joinWords lists the values that a flag takes.
func joinWords[T ~string](values []T) string { return strings.Join(wordsOf(values), ", ") }

// capital makes the first letter, in ASCII, a capital.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// ago is a time relative to now; empty for the zero time.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	if t.Sub(now) > time.Hour/2 {
		t = t.Add(time.Minute / 2) // a week from now is still a week when it is shown a moment later, and not 6 days
	}
	return humanize.RelTime(t, now, "ago", "from now")
}

// moment is a time in full, in the local zone; empty for the zero time.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05 MST")
}
