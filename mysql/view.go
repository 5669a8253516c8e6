package mysql

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// viewNames are the views that people read, which Migrate creates on request.
var viewNames = []string{"sessions_cleanup_view", "sessions_archive_view", "sessions_cleanup_stats"}

// viewsAreFree refuses to replace what the application has under the names of the views.
func (c *catalog) viewsAreFree(want, have adopted) error {
	if !want.View || have.View {
		return nil
	}
	for _, name := range viewNames {
		if t := c.tables[name]; t != nil {
			return invalid.Databasef("the database has a %s %q of its own: rename it first", strings.ToLower(t.kind), name)
		}
	}
	return nil
}

// hasViews reports whether one of the views is there. Where none is, they are not wanted any more, or could not be created.
func (c *catalog) hasViews() bool {
	return slices.ContainsFunc(viewNames, func(name string) bool { return c.tables[name] != nil })
}

// createViews creates the views that the settings want, unless they are there, and notes as which. A view that somebody
// is reading cannot be replaced, so that one is replaced only when it changes.
func (s *Store) createViews(ctx context.Context, c *conn, catalog *catalog, set *settings) error {
	if !set.adopted.View {
		return nil
	}
	definitions := views(catalog, *set)
	digest := sha256.Sum256([]byte(strings.Join(definitions, ";")))
	missing := slices.ContainsFunc(viewNames, func(name string) bool { return catalog.tables[name] == nil })
	if as := hex.EncodeToString(digest[:]); missing || as != set.adopted.ViewsAre {
		for _, definition := range definitions {
			if err := s.define(ctx, c, definition); err != nil {
				return err
			}
		}
		set.adopted.ViewsAre = as
	}
	return nil
}

func (s *Store) dropViews(ctx context.Context, c *conn) error {
	for _, name := range viewNames {
		if err := s.define(ctx, c, filled("drop_view", sqlfile.Names{"name": sqlfile.Column(name)})); err != nil {
			return err
		}
	}
	return nil
}

// views are the definitions of the views.
func views(catalog *catalog, set settings) []string {
	sessions := catalog.tables[set.schema.Table]
	l := layoutReading(set, func(name string) string {
		if of := sessions.column(name); of != nil && of.base == "timestamp" {
			return filled("known_stamp", sqlfile.Names{"column": column(name)})
		}
		return known(name)
	})
	cut := l.cutoffsAt(set.policy.Thresholds(), time.Unix(0, 0))
	ruled := params{}
	l = l.measuredInViews(cut, ruled)
	names, p, _ := l.where(sessioncleanup.Filter{}, "", cut)
	maps.Copy(p, ruled)
	names["view_columns"] = l.viewColumns(sessions, names)
	return []string{
		relative(l.sql("view", names), p, cut.Now), filled("archive_view", sqlfile.Names{"archive_keep": archiveKeepInView(set.policy)}), relative(l.sql("stats_view", names), p, cut.Now),
	}
}

// longestColumn is the longest name of a column, in characters.
const longestColumn = 64

// viewColumns are the columns of the sessions that SELECT * shows, and those that only the view has. One of these that
// is called like one of the sessions' gets a longer name.
func (l *layout) viewColumns(sessions *table, names sqlfile.Names) string {
	var columns []string
	taken := map[string]bool{}
	for _, of := range sessions.columns {
		if taken[strings.ToLower(of.name)] = true; !of.invisible {
			columns = append(columns, "s."+sqlfile.Column(of.name))
		}
	}
	add := func(name, expression string) {
		if taken[strings.ToLower(name)] {
			name = prefix + name
		}
		for utf8.RuneCountInString(name) > longestColumn {
			_, size := utf8.DecodeLastRuneInString(name)
			name = name[:len(name)-size]
		}
		taken[strings.ToLower(name)] = true
		columns = append(columns, expression+" AS "+sqlfile.Column(name))
	}
	names = with(l.names, names)
	if owner := l.schema.Owner; owner != "" {
		add(strings.TrimSuffix(owner, "_id")+"_name", filled("view_owner_name", names))
	}
	for _, name := range []string{"hours_inactive", "days_old", "cleanup_status", "status"} {
		add(name, filled("view_"+name, names))
	}
	for i, source := range l.schema.Sources {
		same := func(other sessioncleanup.Source) bool { return other.Table == source.Table }
		if slices.IndexFunc(l.schema.Sources, same) == i {
			of := slices.DeleteFunc(slices.Clone(l.schema.Sources), func(other sessioncleanup.Source) bool { return !same(other) })
			add("total_"+source.Table, activityCount(of))
		}
	}
	return strings.Join(columns, ",\n       ")
}

// relative is a statement with its parameters in it, for a view, which can have none. Times are relative to a moment,
// which stands for the time at which the view is read.
func relative(statement string, p params, now time.Time) string {
	return parameter.ReplaceAllStringFunc(statement, func(match string) string {
		if match[0] != ':' {
			return match
		}
		value, known := p[match[1:]]
		at, isTime := value.(time.Time)
		switch {
		case known && value == nil:
			return "NULL"
		case isTime:
			return fmt.Sprintf("(UTC_TIMESTAMP(6) + INTERVAL %d MICROSECOND)", at.Sub(now).Microseconds())
		default:
			panic(fmt.Sprintf("mysql: a view cannot have the parameter %s: %T", match, value)) // a mistake of this package
		}
	})
}
