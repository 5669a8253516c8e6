package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// recognize finds out how the application's columns hold ids and times. A column that is missing will hold text.
func (c *catalog) recognize(ctx context.Context, db *conn, s sessioncleanup.Schema, a *adopted) error {
	a.LastActivity, a.ExpiresAt, a.ID, a.Owner, a.RowID = formText, formText, identityText, identityText, "rowid"
	t := c.find(s.Table)
	if t == nil {
		return nil
	}
	a.RowID = t.rowid
	var err error
	if a.ID, err = t.identity(ctx, db, s.ID); err != nil {
		return err
	}
	if a.Owner, err = t.identity(ctx, db, s.Owner); err != nil {
		return err
	}
	if a.LastActivity, err = t.form(ctx, db, s.ID, s.LastActivity, s.UpdatedAt, s.CreatedAt); err != nil {
		return err
	}
	a.ExpiresAt, err = t.form(ctx, db, s.ID, s.ExpiresAt, s.LastActivity, s.UpdatedAt, s.CreatedAt)
	return err
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

// form recognizes how a column holds times: by its values, and where it has none by its type and by the values of the
// columns beside it.
func (t *table) form(ctx context.Context, db *conn, id, name string, beside ...string) (form, error) {
	c := t.column(name)
	if c == nil {
		return formText, nil
	}
	sample, err := t.sample(ctx, db, id, c.name)
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
		sample, err := t.sample(ctx, db, id, name)
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

func (t *table) sample(ctx context.Context, db *conn, id, column string) (sample, error) {
	statement := filled("sample_times", sqlfile.Names{
		"table": sqlfile.Column(t.name), "column": sqlfile.Column(column), "id": sqlfile.Column(id),
		"read_text": formText.read("v"), "read_go": formGo.read("v"),
	})
	var out sample
	err := db.row(ctx, statement, nil, &out.all, &out.numbers, &out.largest, &out.goText)
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
