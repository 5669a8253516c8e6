package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

var _ sessioncleanup.Archiver = (*Store)(nil)

// archival is how deletions are archived: the tables that they reach, through the table of sessions too.
type archival struct {
	sessions *table
	deleted  []link         // by which rows are deleted, in the order in which they are found
	unlinked []link         // by which rows are unlinked
	found    map[*table]int // numbers of the tables to which others refer; the sessions have 0
	known    []string       // tables that Migrate saw
	outside  []string       // tables of other databases
	asRead   string         // what fingerprint returned before the tables were read
	readFor  *layout
}

// archival is that of the catalog.
func (c *catalog) archival(s sessioncleanup.Schema) *archival {
	a := &archival{sessions: c.tables[s.Table]}
	if a.sessions == nil || s.SoftDelete { // the row stays
		return a
	}
	a.found = map[*table]int{a.sessions: 0}
	tables := c.sorted()
	seen := map[*table]bool{a.sessions: true}
	for next := []*table{a.sessions}; len(next) > 0; next = next[1:] {
		for _, child := range tables {
			for _, k := range child.keys {
				l := link{next[0], child, k}
				if k.table != next[0].name || l.effect() == "" {
					continue
				}
				if _, numbered := a.found[l.parent]; !numbered {
					a.found[l.parent] = len(a.found)
				}
				if l.effect() == effectUnlinked {
					a.unlinked = append(a.unlinked, l)
					continue
				}
				a.deleted = append(a.deleted, l)
				if !seen[child] {
					seen[child] = true
					next = append(next, child)
				}
			}
		}
	}
	return a
}

// children are the tables that a deletion reaches, but for the sessions, in the order in which it does.
func (a *archival) children() []*table {
	var all []*table
	for _, l := range slices.Concat(a.deleted, a.unlinked) {
		if l.child != a.sessions && !slices.Contains(all, l.child) {
			all = append(all, l.child)
		}
	}
	return all
}

// names are those of the children, sorted.
func (a *archival) names() []string {
	var all []string
	for _, t := range a.children() {
		all = append(all, t.name)
	}
	slices.Sort(all)
	return all
}

// obstacle is why what a deletion reaches cannot be archived: an ErrUnarchivable.
func (a *archival) obstacle(s sessioncleanup.Schema) error {
	var later []string
	for _, name := range a.names() {
		if !slices.Contains(a.known, name) {
			later = append(later, name)
		}
	}
	unarchivable := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{sessioncleanup.ErrUnarchivable}, args...)...)
	}
	if len(later) > 0 {
		return unarchivable("tables made since the last migration: %s; run migrate", strings.Join(later, ", "))
	}
	if len(a.outside) > 0 {
		return unarchivable("tables of other databases: %s", strings.Join(a.outside, ", "))
	}
	for _, t := range append(a.children(), a.sessions) {
		if _, numbered := a.found[t]; numbered && len(a.keyOf(t, s)) == 0 {
			return unarchivable("table %s, to which others refer, has no primary key", t.name)
		}
		for _, c := range t.columns {
			if strings.Contains(t.name+c.name, "?") {
				return unarchivable("table %s has a question mark in its name or in that of the column %s", t.name, c.name)
			}
		}
	}
	for _, l := range slices.Concat(a.deleted, a.unlinked) {
		if !l.parent.identifies(l.key.to) {
			return unarchivable("table %s refers to columns of table %s that are not unique", l.child.name, l.parent.name)
		}
	}
	return nil
}

// keyOf are the columns that identify a row among those that are found.
func (a *archival) keyOf(t *table, s sessioncleanup.Schema) []string {
	if t == a.sessions {
		return []string{s.ID}
	}
	return t.rowKey()
}

// referredTo are the columns of a table that others refer to, and those of its key, which come first.
func (a *archival) referredTo(t *table, s sessioncleanup.Schema) []string {
	columns := slices.Clone(a.keyOf(t, s))
	for _, l := range slices.Concat(a.deleted, a.unlinked) {
		for _, column := range l.key.to {
			if l.parent == t && !slices.Contains(columns, column) {
				columns = append(columns, column)
			}
		}
	}
	return columns
}

// archivalOf is how deletions are archived, as the tables are now. It is read once, and again after unchanged found a
// difference.
func (s *Store) archivalOf(ctx context.Context, c *conn) (*archival, error) {
	s.mu.Lock()
	known := s.archives
	s.mu.Unlock()
	if known != nil && known.readFor == c.layout {
		return known, nil
	}
	var names []string
	for {
		asRead, err := c.fingerprint(ctx, names)
		if err != nil {
			return nil, err
		}
		catalog, err := readCatalog(ctx, c)
		if err != nil {
			return nil, err
		}
		a := catalog.archival(c.schema)
		a.known, a.asRead, a.readFor = c.adopted.Reached, asRead, c.layout
		tables := append(a.names(), c.schema.Table)
		if !slices.Equal(tables, names) { // these are the tables whose definitions matter
			names = tables
			continue
		}
		if a.outside, err = c.outside(ctx, names); err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.archives = a
		s.mu.Unlock()
		return a, nil
	}
}

// outside are tables of other databases from which rows would be deleted or unlinked.
func (c *conn) outside(ctx context.Context, names []string) (all []string, err error) {
	err = c.query(ctx, statements["list_foreign_children"], nil, func(rows *sql.Rows) error {
		var database, name, to, onDelete string
		err := rows.Scan(&database, &name, &to, &onDelete)
		if slices.Contains(names, to) && (link{key: foreignKey{onDelete: onDelete}}).effect() != "" {
			all = append(all, database+"."+name)
		}
		return err
	})
	return all, err
}

// counter matches the next number of a table in its definition.
var counter = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// fingerprint changes with the foreign keys of the database and the definitions of some tables.
func (c *conn) fingerprint(ctx context.Context, names []string) (string, error) {
	var all strings.Builder
	err := c.query(ctx, statements["list_constraints"], nil, func(rows *sql.Rows) error {
		var parts [4]string
		err := rows.Scan(&parts[0], &parts[1], &parts[2], &parts[3])
		fmt.Fprintf(&all, "%q\n", parts)
		return err
	})
	for _, name := range names {
		var definition string
		if err == nil {
			err = c.row(ctx, filled("show_table", sqlfile.Names{"table": sqlfile.Column(name)}), nil, &name, &definition)
		}
		all.WriteString(counter.ReplaceAllString(definition, ""))
	}
	return all.String(), err
}

// unchanged fails when the tables are not as they were read. It is asked when all rows that are archived are locked, so
// that nobody can change the tables of these, or add rows that refer to them, in a new table either.
func (s *Store) unchanged(ctx context.Context, c *conn, a *archival) error {
	now, err := c.fingerprint(ctx, append(a.names(), a.sessions.name))
	if err != nil || now == a.asRead {
		return err
	}
	s.mu.Lock()
	s.archives = nil
	s.mu.Unlock()
	return fmt.Errorf("%w: tables of the application were changed meanwhile", sessioncleanup.ErrUnavailable)
}
