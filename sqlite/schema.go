package sqlite

import (
	"errors"
	"fmt"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

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
			return invalid.Errorf("%s is %q: SQLite's tables have no schema before their name, and one with a dot or quotes in its name cannot be adopted", field, name)
		}
		if adopt.Own(name) {
			return invalid.Errorf("%s is %q: that name is reserved for the library", field, name)
		}
	}
	return nil
}

// check compares a schema with the database and returns the lifecycle columns to add. An ErrInvalid says what does not fit.
func (c *catalog) check(s sessioncleanup.Schema) ([]adopt.LifecycleColumn, error) {
	d := c.describe()
	missing, err := d.Check(s)
	if err == nil {
		err = d.CheckUnique(s)
	}
	if err != nil {
		return nil, err
	}
	t := c.find(s.Table)
	for _, column := range adopt.Lifecycle(s) {
		if have := t.column(column.Column); have != nil && have.generated {
			err = errors.Join(err, invalid.Errorf("schema.%s is %q: that column of table %q is generated: name another column", column.Field, have.name, t.name))
		}
	}
	return missing, err
}
