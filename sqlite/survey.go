package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// The fields of a schema whose columns Migrate adds, in the order in which it does.
var lifecycleFields = []string{"active", "last_activity", "expires_at", "auto_cleanup"}

// lifecycle gives the columns of the lifecycle, by field.
func lifecycle(s sessioncleanup.Schema) map[string]string {
	return map[string]string{
		"active": s.Active, "last_activity": s.LastActivity, "expires_at": s.ExpiresAt, "auto_cleanup": s.AutoCleanup,
	}
}

// survey holds a schema against the database and gives the fields whose columns are missing and can be added. An
// ErrInvalid says what does not fit.
func (c *catalog) survey(s sessioncleanup.Schema) (missing []string, err error) {
	t, err := c.mustFind("schema.table", s.Table)
	if err != nil {
		return nil, err
	}
	for _, named := range []struct{ field, column string }{
		{"schema.id", s.ID}, {"schema.owner", s.Owner}, {"schema.name", s.Name}, {"schema.code", s.Code},
		{"schema.created_at", s.CreatedAt}, {"schema.updated_at", s.UpdatedAt},
	} {
		if named.column != "" {
			if err := t.mustHave(named.field, named.column); err != nil {
				return nil, err
			}
		}
	}
	if !t.unique(s.ID) {
		return nil, invalidf("schema.id is %q: two rows of %q may have the same: want a primary key, or a UNIQUE index on it", s.ID, t.name)
	}
	for _, field := range lifecycleFields {
		if t.column(lifecycle(s)[field]) == nil {
			missing = append(missing, field)
		}
	}
	if s.Owners != nil {
		owners, err := c.mustFind("schema.owners.table", s.Owners.Table)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(owners.mustHave("schema.owners.id", s.Owners.ID), owners.mustHave("schema.owners.name", s.Owners.Name)); err != nil {
			return nil, err
		}
	}
	return missing, c.surveySources(s)
}

func (c *catalog) surveySources(s sessioncleanup.Schema) error {
	for i, source := range s.Sources {
		field := fmt.Sprintf("schema.sources[%d]", i)
		t, err := c.mustFind(field+".table", source.Table)
		if err != nil {
			return err
		}
		if t == c.find(s.Table) {
			return invalidf("%s.table is %q: that is the table of the sessions", field, source.Table)
		}
		if err := t.mustHave(field+".session", source.Session); err != nil {
			return err
		}
		if source.At != "" {
			if err := t.mustHave(field+".at", source.At); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *catalog) mustFind(field, name string) (*table, error) {
	t := c.find(name)
	switch {
	case t == nil:
		return nil, invalidf("%s is %q: there is no such table", field, name)
	case t.kind == "view":
		return nil, invalidf("%s is %q: that is a view: want a table", field, name)
	case t.virtual:
		return nil, invalidf("%s is %q: that is a virtual table: want an ordinary one", field, name)
	}
	return t, nil
}

func (t *table) mustHave(field, column string) error {
	if t.column(column) == nil {
		return invalidf("%s is %q: table %q has no such column", field, column, t.name)
	}
	return nil
}

// examine finds out how the host's columns hold ids and times.
func (c *catalog) examine(ctx context.Context, w *work, s sessioncleanup.Schema, a *adopted) error {
	a.LastActivity, a.ExpiresAt, a.ID, a.Owner, a.RowID = formText, formText, identityText, identityText, "rowid"
	t := c.find(s.Table)
	if t == nil {
		return nil
	}
	a.RowID = t.rowid
	var err error
	if a.ID, err = t.identity(ctx, w, s.ID); err != nil {
		return err
	}
	if a.Owner, err = t.identity(ctx, w, s.Owner); err != nil {
		return err
	}
	if a.LastActivity, err = t.form(ctx, w, s, s.LastActivity, s.UpdatedAt, s.CreatedAt); err != nil {
		return err
	}
	a.ExpiresAt, err = t.form(ctx, w, s, s.ExpiresAt, s.LastActivity, s.UpdatedAt, s.CreatedAt)
	return err
}

func (t *table) identity(ctx context.Context, w *work, name string) (identity, error) {
	c := t.column(name)
	if c == nil {
		return identityText, nil
	}
	var sample string
	err := w.row(ctx, on("sample_type", t.name, c.name), nil, &sample)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	return identityOf(c.declared, sample), nil
}

// form tells how a column holds times: by its values, and where it has none by its type and by the values of the
// columns beside it. A column that is missing will hold text.
func (t *table) form(ctx context.Context, w *work, s sessioncleanup.Schema, name string, beside ...string) (form, error) {
	c := t.column(name)
	if c == nil {
		return formText, nil
	}
	sample, err := t.sample(ctx, w, s, c.name)
	if err != nil || sample.all > 0 {
		return sample.form(), err
	}
	if a := affinity(c.declared); a != "INTEGER" && a != "REAL" {
		return formText, nil
	}
	for _, name := range beside {
		if t.column(name) == nil {
			continue
		}
		sample, err := t.sample(ctx, w, s, name)
		if err != nil || sample.numeric() {
			return sample.form(), err
		}
	}
	return formSeconds, nil
}

// sample is what the newest times of a column look like.
type sample struct {
	all, numbers, goText int
	largest              float64
}

func (t *table) sample(ctx context.Context, w *work, s sessioncleanup.Schema, name string) (sample, error) {
	statement := filled("sample_times", sqlfile.Names{
		"table": sqlfile.Column(t.name), "column": sqlfile.Column(name), "id": sqlfile.Column(s.ID),
		"read_text": formText.read("v"), "read_go": formGo.read("v"),
	})
	var out sample
	err := w.row(ctx, statement, nil, &out.all, &out.numbers, &out.largest, &out.goText)
	return out, err
}

func (s sample) numeric() bool { return 2*s.numbers > s.all }

func (s sample) form() form {
	switch {
	case s.numeric():
		return formOf(s.largest)
	case s.goText > 0:
		return formGo
	default:
		return formText
	}
}

// switches sees that columns of the host's that say yes or no hold nothing but 0, 1 and NULL.
func (c *catalog) switches(ctx context.Context, w *work, s sessioncleanup.Schema) []error {
	t := c.find(s.Table)
	if t == nil {
		return nil
	}
	return slices.DeleteFunc([]error{
		t.mustBeSwitch(ctx, w, "schema.active", s.Active), t.mustBeSwitch(ctx, w, "schema.auto_cleanup", s.AutoCleanup),
	}, func(err error) bool { return err == nil })
}

// mustBeSwitch sees that a column holds nothing but 0, 1 and NULL.
func (t *table) mustBeSwitch(ctx context.Context, w *work, field, name string) error {
	c := t.column(name)
	if c == nil {
		return nil
	}
	var value, kind string
	err := w.row(ctx, on("find_bad_switch", t.name, c.name), nil, &value, &kind)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return invalidf("%s is %q: a row of %q has the %s %q in it: want 0 or 1", field, c.name, t.name, kind, value)
}
