package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// layout is how the application keeps its sessions, as SQL: what is filled into the statements.
type layout struct {
	schema  sessioncleanup.Schema
	adopted adopted
	names   sqlfile.Names // for sessions as their table has them
	noted   sqlfile.Names // for those that have a note, as it makes them

	reactivate    bool  // the policy's ReactivateOnActivity
	unnoticed     error // ends runs: activity, or the tags of columns, may not have been noticed
	alone         bool  // deleting a session deletes no other
	archival      archival
	measure       *measure // by the classes of sessions; nil: all by the same cutoffs
	schemaVersion int64    // PRAGMA schema_version when this was read
}

// adopted is what Migrate found out about the application's table and did to it.
type adopted struct {
	LastActivity  form     `json:"last_activity"`
	ExpiresAt     form     `json:"expires_at"`
	DeactivatedAt form     `json:"deactivated_at"`
	DeletedAt     form     `json:"deleted_at,omitempty"`
	ID            identity `json:"id"`
	Owner         identity `json:"owner"`
	RowID         string   `json:"rowid,omitempty"` // the name of the sessions' rowid; empty for a table WITHOUT ROWID
	KeyType       string   `json:"key_type"`        // of notes: a type with the affinity of a session's id
	KeyCollation  string   `json:"key_collation"`   // and its collation

	// Numbers are the columns of Schema.State and Schema.Only that do not keep a number as a text.
	Numbers map[string]bool `json:"numbers,omitempty"`
	// Others are activity tables that a schema cannot name: their names are no plain identifiers.
	Others []sessioncleanup.Source `json:"others,omitempty"`

	MadeTable    bool     `json:"made_table,omitempty"`    // the sessions table is the library's
	AddedColumns []string `json:"added_columns,omitempty"` // to a table of the application's, by field of the schema
	MarkInactive bool     `json:"mark_inactive,omitempty"` // the backfill dates sessions that were inactive before
	Filled       bool     `json:"filled,omitempty"`        // the backfill is finished
	CatchUp      bool     `json:"catch_up,omitempty"`      // the backfill has to fill in what no trigger noticed: see catchup.go

	// Gaps are the activity tables whose rows show that.
	Gaps []sessioncleanup.Source `json:"gaps,omitempty"`
	// LostActivity says that the last activities were lost with their column: sessions without one count as used now.
	LostActivity bool `json:"lost_activity,omitempty"`

	Reached     []string `json:"reached,omitempty"`      // the tables that a deletion reached when Migrate last looked
	Proposed    bool     `json:"proposed,omitempty"`     // Inspect proposed the schema: activity tables made later are followed, too
	Untracked   bool     `json:"untracked,omitempty"`    // nothing showed when sessions are used, before the adoption
	IdleRules   bool     `json:"idle_rules,omitempty"`   // somebody asked for the rules about idle sessions nevertheless
	View        bool     `json:"view,omitempty"`         // the view was asked for
	JournalMode string   `json:"journal_mode,omitempty"` // of the file before Migrate changed it
	Classed     bool     `json:"classed,omitempty"`      // the policy has, or had, rules by tag: see class.go

	sqlstore.TagColumns
}

// untracked reports whether the rules about idle sessions are off.
func (a adopted) untracked(s sessioncleanup.Schema) bool {
	return a.Untracked && !a.IdleRules && !s.AppTouches
}

// newLayout is the layout of what was adopted. Statements need to know the policy's ReactivateOnActivity; what Migrate
// creates does not depend on it.
func newLayout(schema sessioncleanup.Schema, a adopted, reactivate bool) *layout {
	l := &layout{schema: schema, adopted: a, reactivate: reactivate}
	l.schema.Sources = slices.Concat(schema.Sources, a.Others)
	l.names = l.expressions(schema.Table)
	l.addRules(l.names, asParameter)
	revives := "0"
	if reactivate {
		revives = "1"
	}
	l.addNotes(l.names, revives)
	l.noted = notedNames()
	l.addRules(l.noted, asParameter)
	return l
}

// sql returns a statement with the layout's names, and more.
func (l *layout) sql(name string, more sqlfile.Names) string {
	return filled(name, with(l.names, more))
}

// where builds the conditions for a filter and a status, unless that is empty, for sessions without a note and for those
// with one, and adds their parameters. It is false when no session can match.
func (l *layout) where(f sessioncleanup.Filter, status sessioncleanup.Status, p params) (condition, noted string, possible bool) {
	conditions, ofNoted := []string{l.names["named"] + l.names["if_visible"]}, []string{"1"}
	possible = true
	rule := func(name string) {
		conditions, ofNoted = append(conditions, "("+l.names[name]+")"), append(ofNoted, "("+l.noted[name]+")")
	}
	bind := func(name string, i identity, id string) {
		value, ok := i.bind(id)
		p[name], possible = value, possible && ok
		rule("with_" + name)
	}
	if f.ID != "" {
		bind("id", l.adopted.ID, f.ID)
	}
	if f.OwnerID != "" {
		bind("owner", l.adopted.Owner, f.OwnerID)
	}
	if f.Text != "" {
		p["text"] = f.Text
		rule("with_text")
	}
	if words := strings.Fields(f.Tags); len(words) > 0 {
		p["tags"] = sqlstore.JSON(words)
		rule("with_tags")
	}
	if status != "" {
		rule("status_" + string(status))
	}
	return strings.Join(conditions, " AND "), strings.Join(ofNoted, " AND "), possible
}

// cutoffsAt are the cutoffs of a question about this table.
func (c *conn) cutoffsAt(t sessioncleanup.Thresholds) sessioncleanup.Cutoffs {
	cut := t.At(c.clock())
	cut.Untracked = c.adopted.untracked(c.schema)
	return cut
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
	if !adopt.Fits(s.given, set.schema) {
		return nil, adopt.OtherSchema(s.given, set.schema)
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
	if set.adopted.Classed && !catalog.find(set.schema.Table).classed {
		return nil, errUnclassed
	}
	l := newLayout(set.schema, set.adopted, set.policy.ReactivateOnActivity.Or(false))
	l.unnoticed = catalog.unnoticed(set, s.naming)
	l.archival = catalog.archival(set.schema, set.adopted.Reached)
	l.alone = set.schema.SoftDelete || !s.shared && catalog.deletesAlone(set.schema) // a connection of the application's may have triggers of its own
	return l, nil
}

func (c *conn) schemaVersion(ctx context.Context) (int64, error) {
	var version int64
	err := c.row(ctx, "PRAGMA schema_version", nil, &version)
	return version, err
}

// observes reports whether a changed time of update counts as activity: nothing else shows any.
func (l *layout) observes() bool { return len(l.schema.Sources) == 0 && l.schema.UpdatedAt != "" }
