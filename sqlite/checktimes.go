package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// checkOptions refuses a time zone, which has no effect, and warns of other options that have none.
func (s *Store) checkOptions(ctx context.Context) error {
	if zone := s.options.TimeZone; zone != "" && !strings.EqualFold(strings.TrimPrefix(zone, "Etc/"), "UTC") {
		return invalid.Errorf("MigrateOptions.TimeZone is %q: SQLite has no time zones, and times without one are read as UTC: "+
			"let the application write UTC, or an offset with each time", zone)
	}
	if s.options.Replace {
		s.log.WarnContext(ctx, "MigrateOptions.Replace (--replace) has no effect on SQLite: nothing of an earlier installation is ever in the way")
	}
	return nil
}

// timesOf are the oldest and the newest time of creation and use in the application's tables, and warnings of times there that
// cannot be read.
func (c *catalog) timesOf(ctx context.Context, db *conn, s sessioncleanup.Schema) (all adopt.Times, warnings []string, err error) {
	columns := [][2]string{{s.Table, s.CreatedAt}, {s.Table, s.UpdatedAt}, {s.Table, s.LastActivity}}
	for _, source := range s.Sources {
		columns = append(columns, [2]string{source.Table, source.At})
	}
	for _, in := range columns {
		t := c.find(in[0])
		if t == nil || t.column(in[1]) == nil {
			continue
		}
		where := "1"
		if in[0] == s.Table {
			l := &layout{schema: s, adopted: adopted{Numbers: t.numbers(s)}}
			where = l.visible(func(name string) string { return t.quoted() + "." + sqlfile.Column(name) })
		}
		column := t.quoted() + "." + sqlfile.Column(in[1])
		names := sqlfile.Names{"table": t.quoted(), "where": where, "column": column, "time": readTime(formText, column), "stands": standsForSomething(column), "never": isInfinite(column)}
		var first, last, example string
		var unreadable int
		if err := db.row(ctx, filled("times_of_column", names), nil, &first, &last); err != nil {
			return all, nil, err
		}
		if err := db.row(ctx, filled("unreadable_times", names), nil, &unreadable, &example); err != nil {
			return all, nil, err
		}
		oldest, err := sqlstore.ParseTime(first)
		if err != nil {
			return all, nil, err
		}
		newest, err := sqlstore.ParseTime(last)
		if err != nil {
			return all, nil, err
		}
		all.Add(oldest, newest)
		if unreadable > 0 {
			warnings = append(warnings, fmt.Sprintf("%d rows of %q have in %q a time that cannot be read, %q for example", unreadable, t.name, in[1], example))
		}
	}
	return all, warnings, nil
}

// sayTimes logs how the times in the application's tables are understood.
func (s *Store) sayTimes(ctx context.Context, operation string, times adopt.Times) {
	if times.Newest.IsZero() {
		return
	}
	s.log.InfoContext(ctx, operation+": "+times.String()+"; those without a time zone are read as UTC")
	if times.Newest.After(sessioncleanup.Cutoffs{Now: s.clock()}.Ahead()) {
		s.log.WarnContext(ctx, operation+": the newest time lies in the future: the application may write local times without an offset, which are read as UTC")
	}
}
