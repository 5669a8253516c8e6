package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// settings is what Migrate stores.
type settings struct {
	policy  sessioncleanup.Policy
	schema  sessioncleanup.Schema
	adopted adopted
	stored  stored // as it was read
}

// adopted is how the tables hold ids and times, and what Migrate added.
type adopted struct {
	ID    identity `json:"id"`
	Owner identity `json:"owner"`
	// IDIndex is the unique index on a session's id.
	IDIndex string `json:"id_index"`
	// KeyType is the type of a session's id, for the table of notes.
	KeyType string `json:"key_type"`
	// Clocks are the expressions for the current time, by the column that it is written to.
	Clocks map[string]string `json:"clocks"`
	// Precision is the number of decimals of the seconds in the column of the deactivation.
	Precision int `json:"precision"`
	// States are the columns of the sessions that indexes of runs begin with.
	States []stateColumn `json:"states,omitempty"`
	// ExpiryRequired says that the column of the expiry cannot be NULL: the zero date stands for none.
	ExpiryRequired bool `json:"expiry_required,omitempty"`
	// Updating are the columns of the sessions with ON UPDATE CURRENT_TIMESTAMP.
	Updating []string `json:"updating,omitempty"`
	// FoldTables says that the server does not tell upper case from lower case in the names of tables.
	FoldTables bool `json:"fold_tables,omitempty"`
	sqlstore.TagColumns
	// Gaps are the activity tables whose rows show what no trigger noticed.
	Gaps []sessioncleanup.Source `json:"gaps,omitempty"`
	// LostActivity says that the last activities were lost with their column: sessions without one count as used now.
	LostActivity bool `json:"lost_activity,omitempty"`
	// Reached are the tables that a deletion of sessions reaches by foreign keys.
	Reached []string `json:"reached,omitempty"`

	MadeTable    bool     `json:"made_table,omitempty"`
	AddedColumns []string `json:"added_columns,omitempty"` // by their fields of the schema
	MarkInactive bool     `json:"mark_inactive,omitempty"` // inactive sessions that were there before are marked with 1970
	Proposed     bool     `json:"proposed,omitempty"`      // the activity tables are those that Inspect found
	Untracked    bool     `json:"untracked,omitempty"`     // nothing showed when sessions are used
	IdleRules    bool     `json:"idle_rules,omitempty"`    // the idle rules hold all the same
	Filled       bool     `json:"filled,omitempty"`        // the backfill is finished
	CatchUp      bool     `json:"catch_up,omitempty"`      // the backfill has to fill in what no trigger noticed: see catchup.go
	Ready        bool     `json:"ready,omitempty"`         // everything is there
	View         bool     `json:"view,omitempty"`          // the views were asked for
	ViewsAre     string   `json:"views_are,omitempty"`     // a digest of their definitions
}

// untracked reports whether the idle rules are off.
func (set settings) untracked() bool {
	return set.adopted.Untracked && !set.adopted.IdleRules && !set.schema.AppTouches
}

// stored is the row of the settings as it is.
type stored struct {
	version                 int64
	policy, tables, adopted string
}

var errNotInstalled = fmt.Errorf("%w; run migrate", sessioncleanup.ErrNotInstalled)

// readStored reads the settings. ErrNotInstalled when there are none, or an interrupted Migrate left them; ErrNewerSchema
// when a newer version of the library wrote them.
func readStored(ctx context.Context, c *conn) (stored, error) {
	return current(readRow(ctx, c, statements["read_settings"]))
}

// current refuses a row of an earlier version of the library.
func current(row stored, err error) (stored, error) {
	if err == nil && row.version < latestVersion {
		err = fmt.Errorf("%w: an earlier version of the library created its tables; run migrate", sessioncleanup.ErrNotInstalled)
	}
	return row, err
}

// readRow reads settings of this version of the library or of an earlier one, which Migrate and Uninstall understand.
func readRow(ctx context.Context, c *conn, statement string) (stored, error) {
	var row stored
	var version sql.NullInt64
	err := c.row(ctx, statement, nil, &version, &row.policy, &row.tables, &row.adopted)
	row.version = version.Int64
	if errors.Is(err, sql.ErrNoRows) || errorNumber(err) == 1146 {
		return row, errNotInstalled
	}
	if err != nil {
		return row, err
	}
	if row.version > latestVersion {
		return row, fmt.Errorf("%w: it is at version %d, this is version %d", sessioncleanup.ErrNewerSchema, row.version, latestVersion)
	}
	return row, nil
}

// parse reads what is in the row.
func (s stored) parse() (settings, error) {
	set := settings{stored: s}
	for what, part := range map[string]struct {
		text string
		dest any
	}{"the policy": {s.policy, &set.policy}, "the schema": {s.tables, &set.schema}, "what was adopted": {s.adopted, &set.adopted}} {
		if err := json.Unmarshal([]byte(part.text), part.dest); err != nil {
			return set, fmt.Errorf("read %s in the settings: %w", what, err)
		}
	}
	if err := errors.Join(set.policy.Validate(), validSchema(set.schema)); err != nil {
		return set, fmt.Errorf("read the settings: %w", err)
	}
	return set, nil
}

// readSettings reads the settings, those of an interrupted Migrate included.
func readSettings(ctx context.Context, c *conn) (settings, error) { return parsed(readStored(ctx, c)) }

// readEarlierSettings is readSettings also for those of an earlier version of the library.
func readEarlierSettings(ctx context.Context, c *conn) (settings, error) {
	return parsed(readRow(ctx, c, statements["read_settings"]))
}

func parsed(row stored, err error) (settings, error) {
	if err != nil {
		return settings{}, err
	}
	return row.parse()
}

// store writes the settings.
func (set settings) store(ctx context.Context, c *conn) error {
	p := params{}
	for name, value := range map[string]any{"policy": set.policy, "tables": set.schema, "adopted": set.adopted} {
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		p[name] = string(text)
	}
	_, err := c.exec(ctx, statements["write_settings"], p)
	return err
}

// same reports whether two settings, or parts of them, are equal.
func same[T any](a, b T) bool { return reflect.DeepEqual(a, b) }

// fits checks that a store can work with what was adopted.
func (s *Store) fits(set settings) error {
	switch {
	case !set.adopted.Ready:
		return fmt.Errorf("%w: a migration or its removal was interrupted; run migrate", sessioncleanup.ErrNotInstalled)
	case !adopt.Fits(set.respelled(s.given), set.schema):
		return adopt.OtherSchema(s.given, set.schema)
	default:
		return nil
	}
}

// respelled is a schema with names spelled as in what was adopted: the server does not tell upper case from lower case in columns, nor,
// with lower_case_table_names, in tables.
func (set settings) respelled(given sessioncleanup.Schema) sessioncleanup.Schema {
	columns, tables := adopt.Columns(set.schema), adopt.Tables(set.schema)
	given = adopt.Respelled(given, func(_, column string) string { return oneOf(columns, column) })
	if !set.adopted.FoldTables {
		return given
	}
	return adopt.RespelledTables(given, func(table string) string { return oneOf(tables, table) })
}

// oneOf is a name as it is spelled among others.
func oneOf(names []string, name string) string {
	if slices.Contains(names, name) {
		return name
	}
	if i := slices.IndexFunc(names, func(other string) bool { return strings.EqualFold(other, name) }); i >= 0 {
		return names[i]
	}
	return name
}

// validSchema checks a schema, and what this backend cannot do.
func validSchema(s sessioncleanup.Schema) error {
	if err := s.Validate(); err != nil {
		return err
	}
	s = s.WithDefaults()
	tables := []string{s.Table}
	names := []string{s.ID, s.Owner, s.Name, s.Code, s.CreatedAt, s.UpdatedAt, s.Active, s.LastActivity, s.ExpiresAt, s.AutoCleanup, s.DeactivatedAt, s.DeletedAt}
	if s.Owners != nil {
		tables, names = append(tables, s.Owners.Table), append(names, s.Owners.ID, s.Owners.Name)
	}
	for _, source := range s.Sources {
		tables, names = append(tables, source.Table), append(names, source.Session, source.At)
	}
	for _, only := range s.Only {
		names = append(names, only.Column)
	}
	names = append(names, s.TagColumns...)
	for _, table := range tables {
		if strings.Contains(table, ".") {
			return invalid.Errorf("the schema has the table %q: want a table of the database in the URL, without a dot", table)
		}
	}
	for _, name := range append(names, tables...) {
		if strings.Contains(name, "?") {
			return invalid.Errorf("the schema has the name %q: want one without a question mark", name)
		}
	}
	return nil
}

// Policy returns the policy that the last Migrate stored. It fails with ErrNotInstalled when there is none.
func (s *Store) Policy(ctx context.Context) (sessioncleanup.Policy, error) {
	set, err := s.settings(ctx)
	return set.policy, err
}

// Schema returns the schema that the last Migrate adopted. It fails with ErrNotInstalled when there is none.
func (s *Store) Schema(ctx context.Context) (sessioncleanup.Schema, error) {
	set, err := s.settings(ctx)
	return set.schema, err
}

func (s *Store) settings(ctx context.Context) (settings, error) {
	return sqlstore.Answer(ctx, s.reading, func(c *conn) (settings, error) {
		set, err := readSettings(ctx, c)
		if err == nil && !set.adopted.Ready {
			err = errNotInstalled
		}
		return set, err
	})
}
