package adopt

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
)

// Over is an adopted schema with what a given one says otherwise. Fields that the given one leaves empty stay as they
// were adopted, but Owners goes with Owner, State with Active, and SoftDelete with DeletedAt. A field whose column the given
// one uses for something else becomes empty.
func Over(given, adopted sessioncleanup.Schema) sessioncleanup.Schema {
	if given.IsZero() {
		return adopted
	}
	out := adopted
	used := named(&given)
	for _, c := range columns(&out, &given) {
		switch *c.given {
		case "":
			if slices.Contains(used, *c.out) {
				*c.out = ""
			}
		case sessioncleanup.None:
			*c.out = ""
		default:
			*c.out = *c.given
		}
	}
	if given.Table != "" {
		out.Table = given.Table
	}
	switch {
	case given.Owners != nil:
		out.Owners = given.Owners
	case out.Owner != adopted.Owner:
		out.Owners = nil
	}
	if given.Sources != nil {
		out.Sources = given.Sources
	}
	switch {
	case given.State != nil:
		out.State = given.State
	case out.Active != adopted.Active:
		out.State = nil
	}
	if given.Only != nil {
		out.Only = given.Only
	}
	if given.TagColumns != nil {
		out.TagColumns = given.TagColumns
	}
	out.AppTouches, out.AddColumns, out.SoftDelete = given.AppTouches, given.AddColumns, adopted.SoftDelete || given.SoftDelete
	if given.DeletedAt != "" {
		out.SoftDelete = given.SoftDelete
	}
	return withoutNone(out).WithDefaults()
}

// OtherSchema is the error of a Store whose schema does not fit the one that was adopted.
func OtherSchema(given, adopted sessioncleanup.Schema) error {
	if given.Table != "" && given.Table != adopted.Table {
		return fmt.Errorf("%w for the table %q: the one that was adopted is %q", sessioncleanup.ErrNotInstalled, given.Table, adopted.Table)
	}
	return fmt.Errorf("%w: the schema that is configured differs from the one that was adopted; run migrate", sessioncleanup.ErrNotInstalled)
}

// Fits reports whether a given schema says nothing else than the adopted one.
func Fits(given, adopted sessioncleanup.Schema) bool {
	over := Over(given, adopted)
	over.AddColumns = adopted.AddColumns // which only Migrate looks at
	return reflect.DeepEqual(over, adopted)
}

// Respelled is a schema with other spellings of the names of columns.
func Respelled(s sessioncleanup.Schema, as func(table, column string) string) sessioncleanup.Schema {
	for _, c := range columns(&s, &s) {
		*c.out = as(s.Table, *c.out)
	}
	if s.Owners != nil {
		o := *s.Owners
		for _, name := range []*string{&o.ID, &o.Name, &o.Mail, &o.Language, &o.Zone} {
			*name = as(o.Table, *name)
		}
		s.Owners = &o
	}
	s.Sources, s.Only = slices.Clone(s.Sources), slices.Clone(s.Only)
	for i := range s.Sources {
		source := &s.Sources[i]
		source.Session, source.At = as(source.Table, source.Session), as(source.Table, source.At)
	}
	for i := range s.Only {
		s.Only[i].Column = as(s.Table, s.Only[i].Column)
	}
	return s
}

// RespelledTables is a schema with other spellings of the names of tables.
func RespelledTables(s sessioncleanup.Schema, as func(table string) string) sessioncleanup.Schema {
	s.Table = as(s.Table)
	if s.Owners != nil {
		o := *s.Owners
		o.Table = as(o.Table)
		s.Owners = &o
	}
	s.Sources = slices.Clone(s.Sources)
	for i := range s.Sources {
		s.Sources[i].Table = as(s.Sources[i].Table)
	}
	return s
}

// Tables are all tables that a schema names.
func Tables(s sessioncleanup.Schema) (all []string) {
	RespelledTables(s, func(table string) string {
		all = append(all, table)
		return table
	})
	return all
}

// Columns are all columns that a schema names.
func Columns(s sessioncleanup.Schema) (all []string) {
	Respelled(s, func(_, column string) string {
		all = append(all, column)
		return column
	})
	return all
}

// pair is a column that two schemas name.
type pair struct{ out, given *string }

// columns are the columns of the sessions' table that two schemas name.
func columns(out, given *sessioncleanup.Schema) []pair {
	return []pair{
		{&out.ID, &given.ID}, {&out.Owner, &given.Owner}, {&out.Name, &given.Name}, {&out.Code, &given.Code},
		{&out.CreatedAt, &given.CreatedAt}, {&out.UpdatedAt, &given.UpdatedAt}, {&out.Active, &given.Active},
		{&out.LastActivity, &given.LastActivity}, {&out.ExpiresAt, &given.ExpiresAt}, {&out.AutoCleanup, &given.AutoCleanup},
		{&out.DeactivatedAt, &given.DeactivatedAt}, {&out.DeletedAt, &given.DeletedAt},
	}
}

// named are the columns that a schema names for something.
func named(s *sessioncleanup.Schema) []string {
	var all []string
	for _, c := range columns(s, s) {
		if *c.out != "" && *c.out != sessioncleanup.None {
			all = append(all, *c.out)
		}
	}
	return all
}

// taken are the columns that a schema uses already.
func taken(s *sessioncleanup.Schema) []string {
	all := named(s)
	for _, only := range s.Only {
		all = append(all, only.Column)
	}
	return all
}

// completeState finds the column that says whether a session is active, and what its values mean.
func (p *proposer) completeState() {
	s := &p.Schema
	if s.State != nil {
		return
	}
	if s.Active == "" {
		p.proposeState()
		return
	}
	if c := p.column(p.sessions, s.Active); c != nil && c.Kind != Boolean {
		s.State = stateOf(c.Values)
	}
}

// proposeState finds a column that says in words whether a session is active: all of its values are known, and at least
// one stands for each.
func (p *proposer) proposeState() {
	s := &p.Schema
	for _, name := range stateNames {
		for _, c := range p.sessions.Columns {
			if !similar(c.Name, name) || len(c.Values) == 0 || slices.Contains(taken(s), c.Name) {
				continue
			}
			if state := stateOf(c.Values); state != nil {
				s.Active, s.State = c.Name, state
				p.warn("column %q says whether a session is active: with %q it is, with another value it is inactive, and due for deletion later; a deactivation writes %q",
					c.Name, state.Active, state.Deactivated)
				return
			}
			p.warn("column %q may say whether a session is active; its values are %q: say which with state in a schema", c.Name, c.Values)
		}
	}
}

// stateOf sorts the values of a column into active and inactive ones; nil when one is not known.
func stateOf(values []string) *sessioncleanup.State {
	var state sessioncleanup.State
	place := len(inactiveWords)
	for _, value := range values {
		word := simple(value)
		at := slices.Index(inactiveWords, word)
		switch {
		case slices.Contains(activeWords, word):
			state.Active = append(state.Active, value)
		case at < 0:
			return nil
		case at < place:
			place, state.Deactivated = at, value
		}
	}
	if len(state.Active) == 0 || state.Deactivated == "" {
		return nil
	}
	slices.SortStableFunc(state.Active, func(a, b string) int {
		return slices.Index(activeWords, simple(a)) - slices.Index(activeWords, simple(b))
	})
	return &state
}
