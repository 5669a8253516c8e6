package sqlite

import (
	"context"
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

// timesOf are the oldest and the newest time of creation and use in the application's tables.
func (c *catalog) timesOf(ctx context.Context, db *conn, s sessioncleanup.Schema) (adopt.Times, error) {
	columns := [][2]string{{s.Table, s.CreatedAt}, {s.Table, s.UpdatedAt}, {s.Table, s.LastActivity}}
	for _, source := range s.Sources {
		columns = append(columns, [2]string{source.Table, source.At})
	}
	var all adopt.Times
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
		var first, last string
		err := db.row(ctx, filled("times_of_column", sqlfile.Names{
			"table": t.quoted(), "where": where, "time": readTime(formText, t.quoted()+"."+sqlfile.Column(in[1])),
		}), nil, &first, &last)
		if err != nil {
			return all, err
		}
		oldest, err := sqlstore.ParseTime(first)
		if err != nil {
			return all, err
		}
		newest, err := sqlstore.ParseTime(last)
		if err != nil {
			return all, err
		}
		all.Add(oldest, newest)
	}
	return all, nil
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
