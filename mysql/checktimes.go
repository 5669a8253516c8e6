package mysql

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// timesOf are the oldest and the newest time of creation and use in the application's tables; of an activity table without an index on
// them, in its last rows.
func (c *conn) timesOf(ctx context.Context, catalog *catalog, s sessioncleanup.Schema) (all adopt.Times, err error) {
	for _, in := range timeColumns(catalog, s) {
		t := catalog.tables[in.table]
		names := sqlfile.Names{"table": sqlfile.Column(in.table), "time": column(in.name), "visible": "TRUE"}
		switch key := t.indexes[primary]; {
		case in.table == s.Table:
			names["visible"] = (&layout{settings: settings{schema: s}}).visible(column)
		case !t.indexed(t.column(in.name).name) && len(key) > 0: // it may have very many rows
			names["table"] = filled("newest_rows", sqlfile.Names{"table": names["table"], "column": sqlfile.Column(in.name), "key": strings.Join(descending(key), ", ")})
		}
		var oldest, newest time.Time
		if err := c.row(ctx, filled("times_of_column", names), nil, sqlstore.Time(&oldest), sqlstore.Time(&newest)); err != nil {
			return all, err
		}
		all.Add(oldest, newest)
	}
	return all, nil
}

func descending(columns []string) []string {
	all := make([]string, len(columns))
	for i, name := range columns {
		all[i] = sqlfile.Column(name) + " DESC"
	}
	return all
}

// timeColumn is a column of the application's with times of creation and use.
type timeColumn struct {
	table, name string
	local       bool // it holds what the application's connection takes for the time
}

// timeColumns are those that are there.
func timeColumns(catalog *catalog, s sessioncleanup.Schema) (all []timeColumn) {
	columns := [][2]string{{s.Table, s.CreatedAt}, {s.Table, s.UpdatedAt}, {s.Table, s.LastActivity}}
	for _, source := range s.Sources {
		columns = append(columns, [2]string{source.Table, source.At})
	}
	for _, in := range columns {
		if of := catalog.tables[in[0]].column(in[1]); of != nil && of.kind()&adopt.Time != 0 {
			all = append(all, timeColumn{in[0], in[1], of.base == "datetime"})
		}
	}
	return all
}

// sayTimes logs how the times in the application's tables are understood, and what may be wrong about them.
func (s *Store) sayTimes(ctx context.Context, c *conn, operation string, catalog *catalog, schema sessioncleanup.Schema, times adopt.Times) error {
	var local []string
	for _, in := range timeColumns(catalog, schema) {
		if in.local {
			local = append(local, in.table+"."+in.name)
		}
	}
	if !times.Newest.IsZero() {
		s.log.InfoContext(ctx, operation+": "+times.String()+"; those in DATETIME columns are read as UTC")
	}
	if len(local) == 0 {
		return nil
	}
	now, err := c.now(ctx)
	if err != nil {
		return err
	}
	if times.Newest.After(sessioncleanup.Cutoffs{Now: now}.Ahead()) {
		s.warn(ctx, operation, []string{"the newest time lies in the future: the application may write local times into DATETIME columns, which are read as UTC"})
	}
	var zone string
	var ahead, aheadLater int
	if err := c.row(ctx, statements["server_zone"], nil, &zone, &ahead, &aheadLater); err != nil {
		return err
	}
	if ahead != 0 || aheadLater != 0 {
		s.warn(ctx, operation, []string{fmt.Sprintf("the server's time zone is %s, and %s are read as UTC: where the application fills them with NOW() or CURRENT_TIMESTAMP, "+
			"its connections must SET time_zone = '+00:00', or the columns must be of the type TIMESTAMP", zone, strings.Join(local, ", "))})
	}
	return nil
}
