package sqlite

import (
	"errors"
	"fmt"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// The fields of a schema whose columns Migrate adds, in the order in which it does.
var lifecycleFields = []string{"active", "last_activity", "expires_at", "auto_cleanup"}

// lifecycle returns the columns of the lifecycle, by field.
func lifecycle(s sessioncleanup.Schema) map[string]string {
	return map[string]string{
		"active": s.Active, "last_activity": s.LastActivity, "expires_at": s.ExpiresAt, "auto_cleanup": s.AutoCleanup,
	}
}

// validSchema is Schema.Validate, and what SQLite requires beyond that.
func validSchema(s sessioncleanup.Schema) error {
	if err := s.Validate(); err != nil {
		return err
	}
	tables := map[string]string{"schema.table": s.Table}
	if s.Owners != nil {
		tables["schema.owners.table"] = s.Owners.Table
	}
	for i, source := range s.Sources {
		tables[fmt.Sprintf("schema.sources[%d].table", i)] = source.Table
	}
	for field, name := range tables {
		if sqlfile.Table(name) != sqlfile.Column(name) {
			return invalid.Errorf("%s is %q: SQLite's tables have no schema before their name", field, name)
		}
		if own(name) {
			return invalid.Errorf("%s is %q: that name is reserved for the library", field, name)
		}
	}
	return nil
}

// check compares a schema with the database and returns the fields whose columns are missing and can be added. An
// ErrInvalid says what does not fit.
func (c *catalog) check(s sessioncleanup.Schema) (missing []string, err error) {
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
		return nil, invalid.Errorf("schema.id is %q: two rows of %q may have the same: want a primary key, or a UNIQUE index on it", s.ID, t.name)
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
	return missing, c.checkSources(s)
}

func (c *catalog) checkSources(s sessioncleanup.Schema) error {
	for i, source := range s.Sources {
		field := fmt.Sprintf("schema.sources[%d]", i)
		t, err := c.mustFind(field+".table", source.Table)
		if err != nil {
			return err
		}
		if t == c.find(s.Table) {
			return invalid.Errorf("%s.table is %q: that is the table of the sessions", field, source.Table)
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
		return nil, invalid.Errorf("%s is %q: there is no such table", field, name)
	case t.kind == "view":
		return nil, invalid.Errorf("%s is %q: that is a view: want a table", field, name)
	case t.virtual:
		return nil, invalid.Errorf("%s is %q: that is a virtual table: want an ordinary one", field, name)
	}
	return t, nil
}

func (t *table) mustHave(field, column string) error {
	if t.column(column) == nil {
		return invalid.Errorf("%s is %q: table %q has no such column", field, column, t.name)
	}
	return nil
}
