package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"regexp"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// recognize finds out how the application's columns hold ids and times. A column that is missing will hold text.
func (c *catalog) recognize(ctx context.Context, db *conn, s sessioncleanup.Schema, a *adopted) error {
	a.LastActivity, a.ExpiresAt, a.DeactivatedAt, a.DeletedAt = formText, formText, formText, ""
	a.ID, a.Owner, a.RowID, a.KeyType, a.KeyCollation = identityText, identityText, "rowid", "TEXT", "BINARY"
	t := c.find(s.Table)
	if t == nil {
		return nil
	}
	a.Numbers = t.numbers(s)
	a.RowID, a.Others = t.rowid, c.otherSources(t, s)
	if id := t.column(s.ID); id != nil {
		a.KeyType, a.KeyCollation = affinity(id.declared), t.collation(s.ID)
		if a.KeyType == "INTEGER" { // with that name the table of notes would refuse other values
			a.KeyType = "INT"
		}
	}
	var err error
	if a.ID, err = t.identity(ctx, db, s.ID); err != nil {
		return err
	}
	if a.Owner, err = t.identity(ctx, db, s.Owner); err != nil {
		return err
	}
	for _, column := range []struct {
		form   *form
		name   string
		beside []string
	}{
		{&a.LastActivity, s.LastActivity, []string{s.UpdatedAt, s.CreatedAt}},
		{&a.ExpiresAt, s.ExpiresAt, []string{s.LastActivity, s.UpdatedAt, s.CreatedAt}},
		{&a.DeactivatedAt, s.DeactivatedAt, []string{s.LastActivity, s.UpdatedAt, s.CreatedAt}},
		{&a.DeletedAt, s.DeletedAt, []string{s.UpdatedAt, s.CreatedAt}},
	} {
		if column.name == "" {
			continue
		}
		if *column.form, err = t.form(ctx, db, s.ID, column.name, column.beside...); err != nil {
			return err
		}
	}
	return nil
}

// numbers are the columns of the state and of the conditions that do not turn a number into a text.
func (t *table) numbers(s sessioncleanup.Schema) map[string]bool {
	var all map[string]bool
	names := conditions(sessioncleanup.Schema{Only: s.Only})
	if s.State != nil {
		names = append(names, s.Active)
	}
	for _, name := range names {
		if c := t.column(name); c != nil && affinity(c.declared) != "TEXT" {
			if all == nil {
				all = map[string]bool{}
			}
			all[name] = true
		}
	}
	return all
}

// wholeNumber matches a number as SQLite writes it.
var wholeNumber = regexp.MustCompile(`^(?:0|-?[1-9][0-9]{0,17})$`)

// otherSources are the tables with a foreign key to the sessions whose names a schema cannot hold.
func (c *catalog) otherSources(t *table, s sessioncleanup.Schema) []sessioncleanup.Source {
	var others []sessioncleanup.Source
	for _, child := range c.children(t) {
		for _, k := range child.keys {
			source := sessioncleanup.Source{Table: child.name, Session: k.columns[0]}
			named := sessioncleanup.Schema{Sources: []sessioncleanup.Source{source}}.Validate() == nil
			if !named && len(k.columns) == 1 && strings.EqualFold(k.table, t.name) && (len(k.to) == 0 || strings.EqualFold(k.to[0], s.ID)) {
				others = append(others, source)
			}
		}
	}
	return others
}

func (t *table) identity(ctx context.Context, db *conn, name string) (identity, error) {
	c := t.column(name)
	if c == nil {
		return identityText, nil
	}
	var sample string
	err := db.row(ctx, on("sample_type", t.name, c.name), nil, &sample)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	return identityOf(c.declared, sample), nil
}

// form recognizes how a column holds times: by most of its values, and where they do not tell by its type and by the
// values of the columns beside it.
func (t *table) form(ctx context.Context, db *conn, id, name string, beside ...string) (form, error) {
	c := t.column(name)
	if c == nil {
		return formText, nil
	}
	f, some, err := t.sample(ctx, db, id, c.name)
	if err != nil || f != "" {
		return f, err
	}
	if a := affinity(c.declared); !some && a != "INTEGER" && a != "REAL" {
		return formText, nil
	}
	for _, name := range beside {
		if t.column(name) == nil {
			continue
		}
		f, _, err := t.sample(ctx, db, id, name)
		if err != nil || f != "" && f != formText && f != formGo {
			return f, err
		}
	}
	if a := affinity(c.declared); a == "INTEGER" || a == "REAL" {
		return formSeconds, nil
	}
	return formText, nil
}

// sample is the form of most of the newest times in a column, empty where they do not tell, and whether there are any.
func (t *table) sample(ctx context.Context, db *conn, id, column string) (f form, some bool, err error) {
	names := sqlfile.Names{"table": sqlfile.Column(t.name), "column": sqlfile.Column(column), "id": sqlfile.Column(id), "read_time": readTime(formText, "v")}
	var n int
	err = db.row(ctx, filled("sampled_times", names)+"\n"+statements["sample_times"], nil, &f, &n)
	return f, n > 0, err
}
