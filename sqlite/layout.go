package sqlite

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// layout is how the application keeps its sessions, as SQL: what is filled into the statements.
type layout struct {
	schema  sessioncleanup.Schema
	adopted adopted
	names   sqlfile.Names

	schemaVersion int64 // PRAGMA schema_version when this was read
}

// adopted is what Migrate found out about the application's table and did to it.
type adopted struct {
	LastActivity form     `json:"last_activity"`
	ExpiresAt    form     `json:"expires_at"`
	ID           identity `json:"id"`
	Owner        identity `json:"owner"`
	RowID        string   `json:"rowid,omitempty"` // the name of the sessions' rowid; empty for a table WITHOUT ROWID

	MadeTable    bool     `json:"made_table,omitempty"`    // the sessions table is the library's
	AddedColumns []string `json:"added_columns,omitempty"` // to a table of the application's, by field of the schema
	Filled       bool     `json:"filled,omitempty"`        // the backfill is finished
}

func newLayout(schema sessioncleanup.Schema, a adopted) *layout {
	l := &layout{schema: schema, adopted: a}
	l.names = l.expressions(schema.Table)
	l.addRules(l.names, ":inactive", ":expired", ":delete")
	return l
}

// sql returns a statement with the layout's names, and more.
func (l *layout) sql(name string, more sqlfile.Names) string {
	return filled(name, with(l.names, more))
}

// with adds names to others.
func with(names, more sqlfile.Names) sqlfile.Names {
	all := maps.Clone(names)
	maps.Copy(all, more)
	return all
}

// expressions returns the names of columns, and the expressions that read and write them. Columns are qualified by a
// table; without one they are bare, as an index needs them.
func (l *layout) expressions(table string) sqlfile.Names {
	s, a := l.schema, l.adopted
	column := func(name string) string {
		switch {
		case name == "":
			return "NULL"
		case table == "":
			return sqlfile.Column(name)
		default:
			return sqlfile.Column(table) + "." + sqlfile.Column(name)
		}
	}
	timeIn := func(name string) string {
		if name == "" {
			return "NULL"
		}
		return readTime(column(name))
	}
	n := sqlfile.Names{
		"sessions": sqlfile.Column(s.Table),

		"id":            column(s.ID),
		"owner":         column(s.Owner),
		"active":        column(s.Active),
		"last_activity": column(s.LastActivity),
		"expires_at":    column(s.ExpiresAt),
		"auto_cleanup":  column(s.AutoCleanup),

		"id_column":            sqlfile.Column(s.ID),
		"active_column":        sqlfile.Column(s.Active),
		"last_activity_column": sqlfile.Column(s.LastActivity),
		"expires_at_column":    sqlfile.Column(s.ExpiresAt),
		"auto_cleanup_column":  sqlfile.Column(s.AutoCleanup),

		"id_text":    a.ID.readText(column(s.ID)),
		"listed_id":  a.ID.listed(),
		"owner_text": a.Owner.readText(column(s.Owner)),
		"owner_name": "''",
		"name_text":  readText(column(s.Name)),
		"code_text":  readText(column(s.Code)),

		"created_at_time":    timeIn(s.CreatedAt),
		"updated_at_time":    timeIn(s.UpdatedAt),
		"last_activity_time": a.LastActivity.read(column(s.LastActivity)),
		"expires_at_time":    a.ExpiresAt.read(column(s.ExpiresAt)),

		"write_now":           a.LastActivity.write(":now"),
		"write_last_activity": a.LastActivity.write(":last_activity"),
		"write_expires_at":    a.ExpiresAt.write(":expires_at"),
	}
	n["key"], n["key_text"], n["key_in_index"] = n["id"], n["id_text"], ", "+n["id"]
	if a.RowID != "" {
		n["key"], n["key_text"], n["key_in_index"] = column(a.RowID), readText(column(a.RowID)), ""
	}
	if s.Owners != nil {
		n["owner_name"] = filled("owner_name", with(n, sqlfile.Names{
			"owners": sqlfile.Column(s.Owners.Table), "owners_id": sqlfile.Column(s.Owners.ID), "owners_name": sqlfile.Column(s.Owners.Name),
		}))
	}
	n["activity_count"] = activityCount(n, s.Sources)
	for _, expression := range []string{"last_activity_at", "expires_at_at", "kept_since", "session_columns", "place_created", "place_name"} {
		n[expression] = filled(expression, n)
	}
	return n
}

// addRules adds the rules of sql/rules.sql, with the expressions for the cutoffs.
func (l *layout) addRules(n sqlfile.Names, inactive, expiry, deletion string) {
	n["inactive_cutoff"], n["expiry_cutoff"], n["delete_cutoff"] = inactive, expiry, deletion
	for _, rule := range []string{
		"due_idle", "due_expired", "due_gone",
		"status_active", "status_to_deactivate", "status_inactive", "status_to_delete", "status_protected",
		"with_id", "with_owner", "with_text",
	} {
		n[rule] = filled(rule, n)
	}
}

// activityCount is the expression that counts a session's rows in some activity tables.
func activityCount(n sqlfile.Names, sources []sessioncleanup.Source) string {
	counts := []string{}
	for _, source := range sources {
		counts = append(counts, filled("activity_count", with(n, sqlfile.Names{
			"source": sqlfile.Column(source.Table), "source_session": sqlfile.Column(source.Session),
		})))
	}
	if len(counts) == 0 {
		return "0"
	}
	return strings.Join(counts, " + ")
}

// where builds the condition for a filter and a status, unless that is empty, and adds its parameters. It is false when
// no session can match.
func (l *layout) where(f sessioncleanup.Filter, status sessioncleanup.Status, p params) (condition string, possible bool) {
	conditions := []string{l.names["id"] + " IS NOT NULL"} // a session without an id cannot be named
	possible = true
	bind := func(name, rule string, i identity, id string) {
		value, ok := i.bind(id)
		p[name], possible = value, possible && ok
		conditions = append(conditions, l.names[rule])
	}
	if f.ID != "" {
		bind("id", "with_id", l.adopted.ID, f.ID)
	}
	if f.OwnerID != "" {
		bind("owner", "with_owner", l.adopted.Owner, f.OwnerID)
	}
	if f.Text != "" {
		p["text"] = f.Text
		conditions = append(conditions, l.names["with_text"])
	}
	if status != "" {
		conditions = append(conditions, l.names["status_"+string(status)])
	}
	return strings.Join(conditions, " AND "), possible
}

// currentLayout is the layout of the database, read again when the database's schema has changed since.
func (s *Store) currentLayout(ctx context.Context, c *conn) (*layout, error) {
	version, err := c.schemaVersion(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	known := s.layout
	s.mu.Unlock()
	if known != nil && known.schemaVersion == version {
		return known, nil
	}
	fresh, err := s.readLayout(ctx, c)
	if err != nil {
		return nil, err
	}
	fresh.schemaVersion = version
	s.setLayout(fresh)
	return fresh, nil
}

func (s *Store) setLayout(l *layout) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.layout = l
}

// readLayout reads what Migrate stored, and checks that it fits this version, this configuration and the tables.
func (s *Store) readLayout(ctx context.Context, c *conn) (*layout, error) {
	set, err := readSettings(ctx, c)
	if err != nil {
		return nil, err
	}
	if !s.given.IsZero() && !same(s.given, set.schema) {
		return nil, errOtherSchema
	}
	catalog, err := readCatalog(ctx, c)
	if err != nil {
		return nil, err
	}
	missing, err := catalog.check(set.schema)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sessioncleanup.ErrNotInstalled, err)
	}
	if err := adopt.Lacking(set.schema.Table, missing); err != nil {
		return nil, err
	}
	return newLayout(set.schema, set.adopted), nil
}

var errOtherSchema = fmt.Errorf("%w: the schema given differs from the one that was adopted: call Migrate", sessioncleanup.ErrNotInstalled)

func (c *conn) schemaVersion(ctx context.Context) (int64, error) {
	var version int64
	err := c.row(ctx, "PRAGMA schema_version", nil, &version)
	return version, err
}
