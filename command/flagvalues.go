package command

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The types of flag values. Each one explains what is wrong with a value.

// wantError says what the value of a flag should be.
type wantError string

func (e wantError) Error() string { return "want " + string(e) }

// count is a whole number within limits.
type count struct {
	n           *int
	least, most int
}

func newCount(n *int, value, least, most int) *count {
	*n = value
	return &count{n, least, most}
}

func (c *count) String() string { return strconv.Itoa(*c.n) }
func (*count) Type() string     { return "number" }

func (c *count) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < c.least || n > c.most {
		return wantError(fmt.Sprintf("a whole number from %d to %d", c.least, c.most))
	}
	*c.n = n
	return nil
}

// permission is the value of --force: no limit, or a number of sessions.
type permission struct {
	all    bool
	atMost int
}

// permitAll is the value of --force without a value.
const permitAll = "true"

func (p *permission) String() string {
	switch {
	case p.all:
		return permitAll
	case p.atMost > 0:
		return strconv.Itoa(p.atMost)
	default:
		return ""
	}
}

func (*permission) Type() string { return "N" }

func (p *permission) Set(text string) error {
	n, err := strconv.Atoi(text)
	switch {
	case text == permitAll:
		*p = permission{all: true}
	case text == "false":
		*p = permission{}
	case err != nil || n < 1:
		return wantError("--force alone, or a whole number of sessions from 1")
	default:
		*p = permission{atMost: n}
	}
	return nil
}

// percent is a number from 0 to 100.
type percent float64

func (p *percent) String() string { return strconv.FormatFloat(float64(*p), 'f', -1, 64) }
func (*percent) Type() string     { return "percent" }

func (p *percent) Set(text string) error {
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !(n >= 0 && n <= 100) {
		return wantError("a number from 0 to 100")
	}
	*p = percent(n)
	return nil
}

// threshold is a number of units, or never; zero means the policy's threshold.
type threshold struct {
	d    *time.Duration
	flag string
	unit time.Duration
}

func (t *threshold) String() string { return "" }
func (t *threshold) Type() string {
	if t.unit == time.Hour {
		return "hours"
	}
	return "days"
}

func (t *threshold) Set(text string) (err error) {
	*t.d, err = sessioncleanup.ParseThreshold("--"+t.flag, text, t.unit)
	return err
}

// rulesFlag is the value of --rules.
type rulesFlag struct{ text *string }

func (r rulesFlag) String() string { return "" }
func (rulesFlag) Type() string     { return "rules" }

func (r rulesFlag) Set(text string) error {
	if _, err := sessioncleanup.ParseRules(text); err != nil {
		return fmt.Errorf("--rules: %w", err)
	}
	if *r.text = text; strings.TrimSpace(text) == "" {
		*r.text = sessioncleanup.NoRules
	}
	return nil
}

// logFormat is how the log is written; empty: as --json says.
type logFormat string

const (
	logText logFormat = "text"
	logJSON logFormat = "json"
)

func (f *logFormat) String() string { return string(*f) }
func (*logFormat) Type() string     { return "format" }

func (f *logFormat) Set(text string) error {
	if *f = logFormat(text); *f != logText && *f != logJSON {
		return wantError("text or json")
	}
	return nil
}

// span is a duration that may also be written in days and weeks.
type span time.Duration

func (s *span) String() string { return spanText(time.Duration(*s)) }
func (*span) Type() string     { return "duration" }

func (s *span) Set(text string) error {
	d, err := parseSpan(text)
	if err != nil || d < 0 {
		return wantError(`a duration such as 90m, 36h, 7d or 2w`)
	}
	*s = span(d)
	return nil
}

// interval is a span, or never.
type interval struct{ span }

func (i *interval) Set(text string) error {
	if strings.EqualFold(text, "never") {
		i.span = span(sessioncleanup.Never)
		return nil
	}
	if i.span.Set(text) != nil {
		return wantError(`a duration such as 90m, 36h, 7d or 2w, or never`)
	}
	return nil
}

// longestSpan keeps sums of times within what time.Duration holds.
const longestSpan = 100 * 365 * 24 * time.Hour

// parseSpan is time.ParseDuration with weeks (w) and days (d) of 24 hours before the rest: "1w2d12h".
func parseSpan(text string) (time.Duration, error) {
	rest, total := text, time.Duration(0)
	for _, unit := range []struct {
		suffix string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, after, found := strings.Cut(rest, unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !(n >= 0 && n <= float64(longestSpan)/float64(unit.length)) {
			return 0, fmt.Errorf("%q is no duration", text)
		}
		total += time.Duration(n * float64(unit.length))
		rest = after
	}
	if rest != "" || text == "" {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("%q is no duration", text)
		}
		total += min(d, longestSpan)
	}
	if total > longestSpan {
		return 0, fmt.Errorf("%q is more than 100 years", text)
	}
	return total, nil
}

// spanText writes a duration for people.
func spanText(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == sessioncleanup.Never:
		return "never"
	case d >= 2*day && d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return d.String()
	}
}
