package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

//go:embed sql/queries.sql
var queriesSQL string

//go:embed sql/batch.sql
var batchSQL string

//go:embed sql/tracking.sql
var trackingSQL string

//go:embed sql/surface.sql
var surfaceSQL string

//go:embed sql/adopt.sql
var adoptSQL string

var statements = sqlfile.MustParse(queriesSQL, batchSQL, trackingSQL, surfaceSQL, adoptSQL)

// layout is a Schema together with what the catalog says of its tables: all that it takes to fill in the SQL.
type layout struct {
	host    sessioncleanup.Schema // with defaults
	zone    string                // of columns without time zone
	path    string                // the search path for the host's triggers, quoted
	space   string                // the database schema of the sessions' table and of the library's own
	table   relation              // the sessions; without oid while it does not exist
	owners  *relation
	sources []source
	names   sqlfile.Names
}

// source is an activity source with its table.
type source struct {
	sessioncleanup.Source
	relation
	referenced bool   // a foreign key ties it to the sessions
	onDelete   string // of that foreign key: pg_constraint.confdeltype
	indexed    bool   // an index begins with the column that holds the session
}

// errNoTable says that the sessions' table is not there.
var errNoTable = errors.New("no sessions table")

// readLayout looks up what the schema names. Without the sessions' table it gives a layout for a table that Migrate
// would create in the current schema, together with errNoTable.
func readLayout(ctx context.Context, q querier, host sessioncleanup.Schema, zone string) (*layout, error) {
	l := &layout{host: host.WithDefaults(), zone: zone}
	table, err := findRelation(ctx, q, l.host.Table)
	missing := errors.Is(err, errNoRelation)
	if missing {
		table = relation{name: l.host.Table[strings.LastIndex(l.host.Table, ".")+1:], kind: "r", mine: true, columns: map[string]column{}}
		if schema, _, qualified := strings.Cut(l.host.Table, "."); qualified {
			table.space = schema
		} else if err := q.QueryRow(ctx, "SELECT coalesce(current_schema(), '')").Scan(&table.space); err != nil {
			return nil, mapError("find the current schema", err)
		}
	} else if table, err = mustFind(ctx, q, "schema.table", l.host.Table); err != nil {
		return nil, err
	}
	l.table, l.space = table, table.space
	if l.host.Owners != nil {
		owners, err := mustFind(ctx, q, "schema.owners.table", l.host.Owners.Table)
		if err != nil {
			return nil, err
		}
		l.owners = &owners
	}
	for i, s := range l.host.Sources {
		src, err := readSource(ctx, q, fmt.Sprintf("schema.sources[%d]", i), s, l.table.oid)
		if err != nil {
			return nil, err
		}
		l.sources = append(l.sources, src)
	}
	if missing {
		l.assumeOwnTable()
	}
	if err := l.check(missing); err != nil {
		return nil, err
	}
	if err := q.QueryRow(ctx, `
		SELECT string_agg(quote_ident(p.name), ', ' ORDER BY p.place)
		  FROM (SELECT u.name, min(u.place) AS place
		          FROM unnest(current_schemas(false)::text[] || $1::text) WITH ORDINALITY u (name, place) GROUP BY u.name) p`, l.space).Scan(&l.path); err != nil {
		return nil, mapError("read the search path", err)
	}
	l.names, err = l.fill()
	if err == nil && missing {
		err = errNoTable
	}
	return l, err
}

func readSource(ctx context.Context, q querier, field string, s sessioncleanup.Source, sessions uint32) (source, error) {
	r, err := mustFind(ctx, q, field+".table", s.Table)
	if err != nil {
		return source{}, err
	}
	c, err := r.mustHave(field+".session", s.Session)
	if err != nil {
		return source{}, err
	}
	if s.At != "" {
		if _, err := r.mustHave(field+".at", s.At, "timestamptz", "timestamp", "date"); err != nil {
			return source{}, err
		}
	}
	src := source{Source: s, relation: r}
	err = q.QueryRow(ctx, `
		SELECT coalesce((SELECT f.confdeltype::text FROM pg_catalog.pg_constraint f
		                  WHERE f.contype = 'f' AND f.conrelid = $1::oid AND f.confrelid = $2::oid
		                    AND $3::smallint = ANY (f.conkey) AND NOT f.condeferrable LIMIT 1), ''),
		       EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = $1::oid AND i.indkey[0] = $3::smallint AND i.indisvalid)`,
		r.oid, sessions, c.position).Scan(&src.onDelete, &src.indexed)
	src.referenced = src.onDelete != ""
	return src, mapError("look up "+s.Table, err)
}

// assumeOwnTable gives the layout the columns of the table that Migrate creates.
func (l *layout) assumeOwnTable() {
	for name, typ := range map[string]string{
		l.host.ID: "text", l.host.Owner: "text", l.host.Name: "text", l.host.Code: "text",
		l.host.Active: "bool", l.host.AutoCleanup: "bool", l.host.CreatedAt: "timestamptz", l.host.UpdatedAt: "timestamptz",
		l.host.LastActivity: "timestamptz", l.host.ExpiresAt: "timestamptz",
	} {
		if name != "" {
			l.table.columns[name] = assumed(name, typ)
		}
	}
}

// check refuses columns that are not there, or of a type that does not fit.
func (l *layout) check(missing bool) error {
	if missing {
		return nil
	}
	times := []string{"timestamptz", "timestamp"}
	for _, want := range []struct {
		field, name string
		added       bool // Migrate adds it when it is missing
		bases       []string
	}{
		{"schema.id", l.host.ID, false, nil},
		{"schema.owner", l.host.Owner, false, nil},
		{"schema.name", l.host.Name, false, nil},
		{"schema.code", l.host.Code, false, nil},
		{"schema.created_at", l.host.CreatedAt, false, append(times, "date")},
		{"schema.updated_at", l.host.UpdatedAt, false, append(times, "date")},
		{"schema.active", l.host.Active, true, []string{"bool"}},
		{"schema.auto_cleanup", l.host.AutoCleanup, true, []string{"bool"}},
		{"schema.last_activity", l.host.LastActivity, true, times},
		{"schema.expires_at", l.host.ExpiresAt, true, times},
	} {
		_, has := l.table.columns[want.name]
		if want.name == "" || want.added && !has {
			continue
		}
		if _, err := l.table.mustHave(want.field, want.name, want.bases...); err != nil {
			return err
		}
	}
	if l.owners != nil {
		if _, err := l.owners.mustHave("schema.owners.id", l.host.Owners.ID); err != nil {
			return err
		}
		if _, err := l.owners.mustHave("schema.owners.name", l.host.Owners.Name); err != nil {
			return err
		}
	}
	return nil
}

// statement gives a statement with its names filled in. Those that name what is not in the layout are filled with
// more: an error is a mistake in the .sql files.
func (l *layout) statement(name string, more ...sqlfile.Names) string {
	names := l.names
	if len(more) > 0 {
		names = sqlfile.Names{}
		for _, m := range append([]sqlfile.Names{l.names}, more...) {
			for k, v := range m {
				names[k] = v
			}
		}
	}
	sql, err := statements.Fill(name, names)
	if err != nil {
		panic(err)
	}
	return sql
}

// own is the qualified name of one of the library's objects.
func (l *layout) own(name string) string {
	return sqlfile.Column(l.space) + "." + sqlfile.Column("sessioncleanup_"+name)
}
