package adopt

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// LifecycleColumn is one of the columns that Migrate adds to a table that lacks them.
type LifecycleColumn struct {
	Field  string // of the schema, as in its JSON: active, last_activity, expires_at, auto_cleanup or deactivated_at
	Column string // its name in the table
	Kind   Kind
}

// Loss says what it means that a table of sessions was rebuilt without a lifecycle column, after it had been adopted.
func Loss(table string, c LifecycleColumn) string {
	effect := map[string]string{
		"active":         "all sessions count as active",
		"last_activity":  "all sessions count as used now",
		"expires_at":     "no session expires",
		"auto_cleanup":   "sessions that were protected by it are cleaned up like all others. Protect them again before the next run",
		"deactivated_at": "the next run counts inactive sessions as deactivated at its time",
	}[c.Field]
	return "the table " + table + " has lost the column " + c.Column + " with its values: " + effect
}

// Lifecycle returns the lifecycle columns of a schema with defaults, in the order in which Migrate adds them.
func Lifecycle(s sessioncleanup.Schema) []LifecycleColumn {
	return []LifecycleColumn{
		{"active", s.Active, Boolean}, {"last_activity", s.LastActivity, Time},
		{"expires_at", s.ExpiresAt, Time}, {"auto_cleanup", s.AutoCleanup, Boolean},
		{"deactivated_at", s.DeactivatedAt, Time},
	}
}

// Untracked reports whether nothing in the database shows when the sessions of a table that is about to be adopted are
// used: it has no column for the last activity, the last update or the expiry, and no activity table. Columns that the library added,
// by their fields, do not count.
func (d Database) Untracked(s sessioncleanup.Schema, added ...string) bool {
	s = s.WithDefaults()
	t := d.find(s.Table)
	if t == nil || s.UpdatedAt != "" || len(s.Sources) > 0 {
		return false
	}
	without := func(field, column string) bool { return slices.Contains(added, field) || d.column(t, column) == nil }
	return without("last_activity", s.LastActivity) && without("expires_at", s.ExpiresAt)
}

// Unfollowed returns the activity tables that Propose finds and a schema that was proposed before does not have: the
// application made them since.
func (d Database) Unfollowed(s sessioncleanup.Schema) []sessioncleanup.Source {
	s = s.WithDefaults()
	p, err := d.Propose(sessioncleanup.Schema{Table: s.Table, ID: s.ID, Owner: sessioncleanup.None})
	if err != nil {
		return nil // the table changed: Check says that
	}
	return slices.DeleteFunc(p.Schema.Sources, func(found sessioncleanup.Source) bool {
		return slices.ContainsFunc(s.Sources, func(has sessioncleanup.Source) bool {
			return d.find(has.Table) == d.find(found.Table) && d.same(has.Session, found.Session)
		})
	})
}

// Check compares a schema with the database. It returns the lifecycle columns that the table of sessions lacks. The
// error joins an ErrInvalid for each table and column of the schema that does not exist or has a type of no use.
func (d Database) Check(s sessioncleanup.Schema) (missing []LifecycleColumn, err error) {
	missing, problems := d.problems(s.WithDefaults())
	var errs []error
	for _, problem := range problems {
		errs = append(errs, invalid.Errorf("%s", problem))
	}
	return missing, errors.Join(errs...)
}

// CheckUnique reports a schema whose id does not identify a session, as an ErrInvalid. A partitioned table passes when
// the id is a part of its primary key: PostgreSQL cannot make it unique by itself.
func (d Database) CheckUnique(s sessioncleanup.Schema) error {
	s = s.WithDefaults()
	t, err := d.mustFind("schema.table", s.Table)
	if err != nil {
		return err
	}
	if d.unique(t, s.ID) {
		return nil
	}
	for _, name := range t.PrimaryKey {
		if t.Partitioned && d.same(name, s.ID) {
			return nil
		}
	}
	return invalid.Errorf("schema.id is %q: two rows of %q may have the same: want a primary key, or a UNIQUE index on it", s.ID, t.path())
}

// Lacking is the ErrNotInstalled for lifecycle columns that are missing after Migrate; nil when none are.
func Lacking(table string, missing []LifecycleColumn) error {
	var errs []error
	for _, c := range missing {
		errs = append(errs, fmt.Errorf("%w: table %q has no column %q: run migrate", sessioncleanup.ErrNotInstalled, table, c.Column))
	}
	return errors.Join(errs...)
}

// problems compares a schema with the database and says in words what does not fit.
func (d Database) problems(s sessioncleanup.Schema) (missing []LifecycleColumn, problems []string) {
	r := report{Database: d}
	sessions := r.table("schema.table", s.Table)
	r.columns(sessions, []use{
		{"schema.id", s.ID, 0}, {"schema.owner", s.Owner, 0}, {"schema.name", s.Name, 0}, {"schema.code", s.Code, 0},
		{"schema.created_at", s.CreatedAt, Time | Date}, {"schema.updated_at", s.UpdatedAt, Time | Date},
	})
	for _, c := range Lifecycle(s) {
		if sessions != nil && d.column(sessions, c.Column) == nil && r.mayAdd(c, s) {
			missing = append(missing, c)
			continue
		}
		if c.Field == "active" && s.State != nil {
			c.Kind = 0
		}
		r.columns(sessions, []use{{"schema." + c.Field, c.Column, c.Kind}})
	}
	r.rows(sessions, s)
	if s.Owners != nil {
		owners := r.table("schema.owners.table", s.Owners.Table)
		r.columns(owners, []use{
			{"schema.owners.id", s.Owners.ID, 0}, {"schema.owners.name", s.Owners.Name, 0},
			{"schema.owners.mail", s.Owners.Mail, 0}, {"schema.owners.language", s.Owners.Language, 0}, {"schema.owners.time_zone", s.Owners.Zone, 0},
		})
	}
	for i, source := range s.Sources {
		field := fmt.Sprintf("schema.sources[%d]", i)
		activity := r.table(field+".table", source.Table)
		if activity != nil && activity == sessions {
			r.add("%s.table is %q: that is the table of the sessions", field, source.Table)
			continue
		}
		r.columns(activity, []use{{field + ".session", source.Session, 0}, {field + ".at", source.At, Time | Date}})
	}
	return missing, r.problems
}

// mayAdd reports whether Migrate makes a column of the lifecycle that does not exist: it has the name that is the default, or
// the schema asks for it.
func (r *report) mayAdd(c LifecycleColumn, s sessioncleanup.Schema) bool {
	if c.Field == "active" && s.State != nil {
		return false
	}
	return s.AddColumns || slices.Contains(Lifecycle(sessioncleanup.Schema{}.WithDefaults()), c)
}

// rows checks what says which rows are sessions, and which sessions are active.
func (r *report) rows(sessions *Table, s sessioncleanup.Schema) {
	r.columns(sessions, []use{{"schema.deleted_at", s.DeletedAt, Time | Date}})
	if s.State != nil {
		r.values(sessions, "schema.state", s.Active, append(slices.Clone(s.State.Active), s.State.Deactivated)...)
	}
	for i, only := range s.Only {
		field := fmt.Sprintf("schema.only[%d]", i)
		r.columns(sessions, []use{{field + ".column", only.Column, 0}})
		r.values(sessions, field, only.Column, only.Values...)
	}
	for i, column := range s.TagColumns {
		r.columns(sessions, []use{{fmt.Sprintf("schema.tag_columns[%d]", i), column, 0}})
	}
}

// values checks that a column can have some values.
func (r *report) values(t *Table, field, name string, values ...string) {
	if t == nil || r.column(t, name) == nil {
		return // said already
	}
	c := r.column(t, name)
	if c.Kind == 0 && !c.Fixed {
		r.add("%s is about column %q of table %q, which is of type %s: want a text, an enumeration, a number or a boolean", field, name, t.path(), c.Type)
		return
	}
	for _, value := range values {
		_, err := strconv.ParseInt(value, 10, 64)
		switch {
		case len(c.Values) > 0 && !slices.Contains(c.Values, value):
			r.add("%s has the value %q: column %q of table %q can have %q only", field, value, name, t.path(), c.Values)
		case c.Kind == Number && err != nil:
			r.add("%s has the value %q: column %q of table %q is of type %s: want a number", field, value, name, t.path(), c.Type)
		case c.Kind == Boolean && value != "true" && value != "false" && err != nil:
			r.add("%s has the value %q: column %q of table %q is of type %s: want true or false", field, value, name, t.path(), c.Type)
		}
	}
}

// instead is the advice for a column of the sessions that does not exist.
func instead(field string) string {
	if name := strings.TrimPrefix(field, "schema."); slices.Contains([]string{"owner", "name", "code", "created_at", "updated_at", "deleted_at"}, name) {
		return fmt.Sprintf("; name another column, or say that there is none with %q: %q in the file of --schema", name, sessioncleanup.None)
	}
	for _, c := range Lifecycle(sessioncleanup.Schema{}) {
		if field == "schema."+c.Field {
			return "; name another column, or have Migrate add it with \"add_columns\": true in the schema"
		}
	}
	return ""
}

type report struct {
	Database
	problems []string
}

// use is a column that a field of the schema names, and the kinds that it may have; zero for all.
type use struct {
	field, column string
	kind          Kind
}

func (r *report) add(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func (r *report) table(field, path string) *Table {
	t, problem := r.named(field, path)
	if problem != "" {
		r.add("%s", problem)
	}
	return t
}

func (r *report) columns(t *Table, uses []use) {
	for _, u := range uses {
		if t == nil || u.column == "" {
			continue
		}
		switch c := r.column(t, u.column); {
		case c == nil:
			r.add("%s is %q: table %q has no such column%s", u.field, u.column, t.path(), instead(u.field))
		case u.kind != 0 && c.Kind&u.kind == 0:
			instead := "name another column"
			if u.field == "schema.active" {
				instead += ", or say with schema.state which of its values are active"
			}
			r.add("%s is %q: that column of table %q is of type %s, want %v: %s", u.field, u.column, t.path(), c.Type, u.kind, instead)
		}
	}
}

// named finds the ordinary table that a field of the schema names, or says in words why there is none.
func (d Database) named(field, path string) (t *Table, problem string) {
	t = d.find(path)
	if t == nil {
		problem = fmt.Sprintf("%s is %q: there is no such table", field, path)
		if elsewhere := d.one(func(t *Table) bool { return d.same(t.Name, path) }); elsewhere != nil {
			problem += fmt.Sprintf("; is it %q?", elsewhere.path())
		}
		return nil, problem
	}
	if t.Other != "" {
		return nil, fmt.Sprintf("%s is %q: that is %s: want a table", field, path, t.Other)
	}
	return t, ""
}

func (d Database) mustFind(field, path string) (*Table, error) {
	t, problem := d.named(field, path)
	if problem != "" {
		return nil, invalid.Errorf("%s", problem)
	}
	return t, nil
}

// Blocks is the error for a foreign key that keeps a session with rows in a table from being deleted.
func Blocks(table string, columns []string, sessions string) error {
	return invalid.Databasef("%q refers to %q without ON DELETE CASCADE: sessions with rows there cannot be deleted, and each run reports them as failed",
		table+"."+strings.Join(columns, ", "), sessions)
}

// InUse is the error of an uninstallation that would lose something with the table of sessions, which Migrate made: sessions, or the
// tables that refer to them; nil without any.
func InUse(sessions string, rows bool, referring []string) error {
	if rows {
		return invalid.Databasef("table %q holds sessions: delete them first", sessions)
	}
	if len(referring) > 0 {
		return invalid.Databasef("%s refer to table %q: drop them first", strings.Join(referring, ", "), sessions)
	}
	return nil
}
