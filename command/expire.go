package command

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessioncleanup/sessioncleanup"
)

func (a *app) expire() *cobra.Command {
	return explained(&cobra.Command{
		Use:   "expire ID TIME|never",
		Short: "Set when a session ends, used or not",
		Long: `expire sets the time at which a session becomes due for deactivation, used or not; "never" removes it.

TIME is in RFC 3339, a local date with or without a time of day (a date alone means its first moment), or relative to
now with a leading plus.`,
		Example: `  sessioncleanup expire 42 2026-12-31T18:00:00+01:00
  sessioncleanup expire 42 2026-12-31
  sessioncleanup expire 42 2026-12-31 18:00
  sessioncleanup expire 42 +2h
  sessioncleanup expire 42 +1w2d
  sessioncleanup expire 42 never`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 3 { // a date and a time of day
				return nil
			}
			return arguments("the ID of a session", "a time or never")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			word := strings.Join(args[1:], " ")
			at := func(time.Time) time.Time { return time.Time{} } // never
			if !strings.EqualFold(word, "never") {
				var err error
				if at, err = parseTime("expiry", word); err != nil {
					return usagef("%w, or never", err)
				}
			}
			return a.with(func(ctx context.Context, db connection, args []string) error {
				now, err := db.Now(ctx)
				if err != nil {
					return err
				}
				s, err := byIDOrCode(ctx, db, args[0], func(id string) (sessioncleanup.Session, error) { return db.SetExpiry(ctx, id, at(now)) })
				if s.ExpiresAt.IsZero() {
					return a.changed(err, s, "does not expire")
				}
				return a.changed(err, s, "expires "+moment(s.ExpiresAt)+", "+ago(s.ExpiresAt, now))
			})(cmd, args)
		},
	})
}

// localTimes are the forms of a time in the local zone.
var localTimes = []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"}

// parseTime reads a time. It returns a function of the store's clock, which relative times need.
func parseTime(name, text string) (func(now time.Time) time.Time, error) {
	fixed := func(t time.Time) func(time.Time) time.Time {
		return func(time.Time) time.Time { return t }
	}
	if relative, ok := strings.CutPrefix(text, "+"); ok {
		d, err := parseSpan(relative)
		if err == nil {
			return func(now time.Time) time.Time { return now.Add(d) }, nil
		}
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return fixed(t), nil
	}
	for _, layout := range localTimes {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return fixed(t), nil
		}
	}
	return nil, usagef(`%s is %q: want a time such as %s, 2026-12-31, "2026-12-31 18:00", +2h or +7d`, name, text, time.RFC3339)
}
