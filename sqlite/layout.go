package sqlite

import (
	"maps"
	"strings"
	"sync"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// viewName is the name of the view, as the guide has it.
const viewName = "sessions_cleanup_view"

// layout is how the host keeps its sessions, as SQL: what stands for the placeholders of the .sql files.
type layout struct {
	schema  sessioncleanup.Schema
	adopted adopted
	names   sqlfile.Names
	made    sync.Map // statements, by what they are made of

	spreads       bool  // deleting a session may delete others
	schemaVersion int64 // PRAGMA schema_version when this was read
}

// adopted is what Migrate found out about the host's table and did to it.
type adopted struct {
	LastActivity form     `json:"last_activity"`
	ExpiresAt    form     `json:"expires_at"`
	ID           identity `json:"id"`
	Owner        identity `json:"owner"`
	RowID        string   `json:"rowid,omitempty"` // the name of the sessions' rowid; empty for a table WITHOUT ROWID

	MadeTable    bool     `json:"made_table,omitempty"`    // the sessions table is the library's
	AddedColumns []string `json:"added_columns,omitempty"` // to a table of the host's, by field of the schema
	MadeView     bool     `json:"made_view,omitempty"`
	Filled       bool     `json:"filled,omitempty"` // the backfill is finished
}

func newLayout(schema sessioncleanup.Schema, a adopted) *layout {
	l := &layout{schema: schema, adopted: a}
	l.names = l.qualifiedBy(schema.Table)
	return l
}

// sql gives a statement with the layout's names, and a condition put together from parts.
func (l *layout) sql(name string, conditions ...string) string {
	key := name + " " + strings.Join(conditions, " ")
	return l.once(key, func() string {
		return filled(name, with(l.names, sqlfile.Names{"condition": l.all(conditions)}))
	})
}

// all is the condition that holds when all its parts do.
func (l *layout) all(conditions []string) string {
	parts := []string{l.names["any"]}
	for _, condition := range conditions {
		parts = append(parts, l.names[condition])
	}
	return strings.Join(parts, " AND ")
}

// once makes a statement at its first use.
func (l *layout) once(key string, build func() string) string {
	if sql, ok := l.made.Load(key); ok {
		return sql.(string)
	}
	sql := build()
	l.made.Store(key, sql)
	return sql
}

// qualifiedBy gives what stands for the placeholders, with columns after the name of their table; with an empty name
// they stand alone, as an index wants them.
func (l *layout) qualifiedBy(table string) sqlfile.Names {
	s := l.schema
	n := sqlfile.Names{
		"sessions": sqlfile.Column(s.Table),

		"id":            qualified(table, s.ID),
		"owner":         qualified(table, s.Owner),
		"active":        qualified(table, s.Active),
		"last_activity": qualified(table, s.LastActivity),
		"expires_at":    qualified(table, s.ExpiresAt),
		"auto_cleanup":  qualified(table, s.AutoCleanup),

		"id_column":            sqlfile.Column(s.ID),
		"active_column":        sqlfile.Column(s.Active),
		"last_activity_column": sqlfile.Column(s.LastActivity),
		"expires_at_column":    sqlfile.Column(s.ExpiresAt),
		"auto_cleanup_column":  sqlfile.Column(s.AutoCleanup),

		"id_text":   l.adopted.ID.readText(qualified(table, s.ID)),
		"listed_id": l.adopted.ID.listed(),
		"name_text": readText(qualified(table, s.Name)),
		"code_text": readText(qualified(table, s.Code)),

		"created_at_time": timeOf(table, s.CreatedAt),
		"updated_at_time": timeOf(table, s.UpdatedAt),
	}
	n["key"], n["key_out"], n["listed_key"] = n["id"], n["id_text"], n["listed_id"]
	if l.adopted.RowID != "" {
		n["key"] = qualified(table, l.adopted.RowID)
		n["key_out"], n["listed_key"] = n["key"], "value"
	}
	n["owner_text"] = "''"
	n["owner_name"] = "''"
	if s.Owner != "" {
		n["owner_text"] = l.adopted.Owner.readText(n["owner"])
	}
	if s.Owners != nil {
		n["owners"], n["owners_id"], n["owners_name"] = sqlfile.Column(s.Owners.Table), sqlfile.Column(s.Owners.ID), sqlfile.Column(s.Owners.Name)
		n["owner_name"] = filled("owner_name", n)
	}
	n["last_activity_time"] = l.adopted.LastActivity.read(n["last_activity"])
	n["expires_at_time"] = l.adopted.ExpiresAt.read(n["expires_at"])
	for _, part := range []string{"last_activity_at:read_last_activity", "expires_at_at:read_expires_at", "last_sign_at:read_last_sign"} {
		key, block, _ := strings.Cut(part, ":")
		n[key] = filled(block, n)
	}
	n["now"] = text["now"]
	n["write_now"] = l.adopted.LastActivity.write(n["now"])
	n["write_last_activity"] = l.adopted.LastActivity.write(":last_activity")
	n["write_expires_at"] = l.adopted.ExpiresAt.write(":expires_at")
	n["activity_count"] = l.activityCount(n, s.Sources)
	for _, rule := range []string{
		"is_active", "is_inactive", "may_be_cleaned", "is_protected", "is_revivable", "revives", "due_idle", "due_expired", "due_gone",
		"status_active", "status_to_deactivate", "status_inactive", "status_to_delete", "status_protected",
		"any", "with_id", "with_owner", "with_text", "session_columns",
	} {
		n[rule] = filled(rule, n)
	}
	return n
}

// activityCount is the expression that counts a session's rows in some activity sources.
func (l *layout) activityCount(n sqlfile.Names, sources []sessioncleanup.Source) string {
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

// with adds names to others.
func with(names, more sqlfile.Names) sqlfile.Names {
	all := maps.Clone(names)
	maps.Copy(all, more)
	return all
}

// timeOf is the expression that reads a time that the host may not have.
func timeOf(table, column string) string {
	if column == "" {
		return "NULL"
	}
	return readTime(qualified(table, column))
}
