package adopt

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Proposal is a schema for the tables that are there.
type Proposal struct {
	Schema sessioncleanup.Schema
	// Warnings are sentences for people about what is uncertain, left out, or would make Check fail.
	Warnings []string
}

// Propose completes a schema for its table or, without one, for the table that probably holds the sessions: see
// sessioncleanup.Schema. It proposes OwnSchema when there is none. An ErrInvalid says why there is no proposal: several
// tables may hold the sessions, or the table has no column that identifies a session.
func (d Database) Propose(given sessioncleanup.Schema) (Proposal, error) {
	if d.makes(given) {
		return Proposal{Schema: Over(given, sessioncleanup.OwnSchema())}, nil
	}
	t, err := d.sessions(given.Table)
	if err != nil {
		return Proposal{}, err
	}
	if t == nil {
		return Proposal{Schema: Over(given, sessioncleanup.OwnSchema())}, nil
	}
	p := proposer{Database: d, sessions: t, Proposal: Proposal{Schema: given}}
	s := &p.Schema
	if s.Table == "" || !d.FoldCase { // else it keeps its spelling
		s.Table = t.path()
	}
	if s.ID == "" {
		if s.ID, err = d.identifier(t); err != nil {
			if s.ID = t.first([]string{"id"}, 0); given.IsZero() || s.ID == "" {
				return Proposal{}, err
			} // Check says what is wrong with it, and with what is given
		}
	}
	p.proposeOwner()
	for _, role := range []struct {
		column *string
		names  []string
		kind   Kind
	}{
		{&s.Name, nameNames, Text}, {&s.Code, codeNames, identifying},
		{&s.CreatedAt, createdNames, Time | Date}, {&s.UpdatedAt, updatedNames, Time | Date},
		{&s.Active, activeNames, Boolean}, {&s.LastActivity, lastActivityNames, Time},
		{&s.ExpiresAt, expiresNames, Time}, {&s.AutoCleanup, autoCleanupNames, Boolean}, {&s.DeletedAt, deletedNames, Time | Date},
	} {
		if *role.column == "" {
			*role.column = t.first(role.names, role.kind, taken(s)...)
		}
	}
	p.completeState()
	if s.Sources == nil {
		p.proposeActivityTables()
	}
	p.warnOfTimes()
	*s = withoutNone(*s).WithDefaults()
	if err := s.Validate(); err != nil {
		return Proposal{}, err
	}
	_, problems := d.problems(*s)
	p.Warnings = append(p.Warnings, problems...)
	return p.Proposal, nil
}

// Wanted is the schema that Migrate adopts, for the installation of that name: the one adopted before, with what is given over it,
// or else a proposal. A table that is given and does not exist is left to Check.
func (d Database) Wanted(given sessioncleanup.Schema, name string, before *sessioncleanup.Schema) (p Proposal, proposed bool, err error) {
	switch {
	case before != nil:
		return Proposal{Schema: Over(given, *before)}, false, nil
	case given.Table == "" && name != "":
		return Proposal{}, false, NoTable(name)
	case given.Table != "" && d.find(given.Table) == nil && !d.makes(given):
		return Proposal{Schema: given.WithDefaults()}, false, nil
	}
	p, err = d.Propose(given)
	return p, true, err
}

// makes reports whether a schema names nothing but the table that Migrate makes, and there is none.
func (d Database) makes(given sessioncleanup.Schema) bool {
	own := sessioncleanup.OwnSchema().Table
	given.AppTouches = false
	return given.Table == own && reflect.DeepEqual(given, sessioncleanup.Schema{Table: own}) && d.find(own) == nil
}

// withoutNone is a schema in which what is not to be used is empty.
func withoutNone(s sessioncleanup.Schema) sessioncleanup.Schema {
	for _, c := range columns(&s, &s) {
		if *c.out == sessioncleanup.None {
			*c.out = ""
		}
	}
	if len(s.Sources) == 0 {
		s.Sources = nil
	}
	if len(s.Only) == 0 {
		s.Only = nil
	}
	if len(s.TagColumns) == 0 {
		s.TagColumns = nil
	}
	return s
}

// warnOfTimes names the columns with times of no known meaning where none is known to say when a session was last used.
func (p *proposer) warnOfTimes() {
	if p.Schema.LastActivity != "" {
		return
	}
	used := append(taken(&p.Schema), p.Schema.WithDefaults().DeactivatedAt)
	var others []string
	for _, c := range p.sessions.Columns {
		if c.Kind == Time && !slices.ContainsFunc(used, func(name string) bool { return p.same(name, c.Name) }) {
			others = append(others, fmt.Sprintf("%q", c.Name))
		}
	}
	if len(others) > 0 {
		p.warn("the times in %s of table %q are not used: if one of them says when a session was last used, or ends, name it in a schema, with last_activity or expires_at",
			strings.Join(others, " and "), p.sessions.path())
	}
}

type proposer struct {
	Database
	Proposal
	sessions *Table
}

func (p *proposer) warn(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
}

// sessions finds the table of the sessions; nil when there is none. Tables that the connection finds without their
// database schema come first. Of those it is the table "sessions", or else the only one whose name ends in "session" or
// "sessions", or else the only one with an active column that other tables refer to. Without any it fails where there are
// tables that may hold them.
func (d Database) sessions(named string) (*Table, error) {
	if named != "" {
		return d.mustFind("schema.table", named)
	}
	if t := d.find("sessions"); t != nil {
		return d.mustFind("schema.table", "sessions") // or an error that says what it is
	}
	all := d.candidates()
	isReferredTo := func(t *Table) bool {
		return slices.ContainsFunc(all, func(child *Table) bool {
			return child != t && slices.ContainsFunc(child.ForeignKeys, func(k ForeignKey) bool { return d.refers(k, t) })
		})
	}
	rules := []func(*Table) bool{
		func(t *Table) bool { return d.same(t.Name, "sessions") },
		func(t *Table) bool { return strings.HasSuffix(singular(t.Name), "session") },
		func(t *Table) bool { return t.first(activeNames, Boolean) != "" && isReferredTo(t) },
	}
	for _, hidden := range []bool{false, true} {
		for _, fits := range rules {
			found := slices.DeleteFunc(slices.Clone(all), func(t *Table) bool { return t.Hidden != hidden || !fits(t) })
			switch len(found) {
			case 0:
			case 1:
				return found[0], nil
			default:
				var names []string
				for _, t := range found {
					names = append(names, t.path())
				}
				return nil, invalid.Errorf("the sessions may be in any of the tables %s: say which with the schema's table, or --table", strings.Join(names, ", "))
			}
		}
	}
	if words := d.likely(all); len(words) > 0 {
		return nil, undecided(words)
	}
	return nil, nil
}

// identifier returns the column that identifies a session. A partitioned table cannot have a unique column outside of
// its partition key: there it is a column of the primary key.
func (d Database) identifier(t *Table) (string, error) {
	id := t.first([]string{"id"}, 0)
	switch {
	case len(t.PrimaryKey) == 1:
		return t.PrimaryKey[0], nil
	case id != "" && d.unique(t, id):
		return id, nil
	case t.Partitioned && slices.Contains(t.PrimaryKey, id):
		return id, nil
	case t.Partitioned && len(t.PrimaryKey) > 0:
		return t.PrimaryKey[0], nil
	}
	return "", invalid.Errorf("table %q has no primary key of one column, nor a unique column id: give a schema that names a unique column", t.path())
}

// proposeOwner finds the owner's column and the owners' names. A foreign key from a column that is called like an
// owner's, to a table with a display name, comes first; then a foreign key to a table of people; then a column that is
// only called like an owner's. Of an owner's column that is given, only the names are found.
func (p *proposer) proposeOwner() {
	if p.Schema.Owner != "" {
		for _, k := range p.sessions.ForeignKeys {
			if p.Schema.Owners == nil && p.same(k.Columns[0], p.Schema.Owner) {
				p.Schema.Owners = p.owners(k)
			}
		}
		return
	}
	best := len(ownerNames)
	var people []ForeignKey
	for _, k := range p.sessions.ForeignKeys {
		owners := p.owners(k)
		if owners == nil {
			continue
		}
		rank := slices.IndexFunc(ownerNames, func(name string) bool { return similar(name, k.Columns[0]) })
		if rank >= 0 && rank < best {
			best = rank
			p.Schema.Owner, p.Schema.Owners = k.Columns[0], owners
		}
		if rank < 0 && isPeople(p.lookup(k.Space, k.Table)) {
			people = append(people, k)
		}
	}
	slices.SortFunc(people, func(a, b ForeignKey) int {
		return p.sessions.position(a.Columns[0]) - p.sessions.position(b.Columns[0])
	})
	if p.Schema.Owners == nil && len(people) > 0 {
		p.Schema.Owner, p.Schema.Owners = people[0].Columns[0], p.owners(people[0])
		if len(people) > 1 {
			p.warn("the owner of a session may be %q or %q: the first is proposed", people[0].Columns[0], people[1].Columns[0])
		}
	}
	if p.Schema.Owners == nil {
		p.Schema.Owner = p.sessions.first(ownerNames, identifying, p.Schema.ID)
	}
}

// owners is the table behind a foreign key of the sessions, when it can be the owners': it has a display name.
func (p *proposer) owners(k ForeignKey) *sessioncleanup.Owners {
	table := p.lookup(k.Space, k.Table)
	if table == nil || table == p.sessions || len(k.Columns) != 1 || k.Columns[0] == p.Schema.ID {
		return nil
	}
	owners := &sessioncleanup.Owners{Table: table.path(), Name: table.first(displayNames, Text)}
	if id := p.column(table, k.target(table, 0)); id != nil {
		owners.ID = id.Name
	}
	if owners.Mail = table.first(mailNames, Text, owners.Name); owners.Mail != "" {
		owners.Language, owners.Zone = table.first(languageNames, Text), table.first(zoneNames, Text)
	}
	if !p.canName(table, sessioncleanup.Schema{Owner: k.Columns[0], Owners: owners}) {
		return nil
	}
	return owners
}

// isPeople reports whether the rows of a table are people.
func isPeople(t *Table) bool {
	return slices.Contains(peopleTables, singular(t.Name)) || t.first(personalNames, Text) != ""
}

// proposeActivityTables finds the tables whose rows belong to a session.
func (p *proposer) proposeActivityTables() {
	all := slices.DeleteFunc(p.candidates(), func(t *Table) bool { return t == p.sessions })
	names := []string{singular(p.sessions.Name) + "_id"}
	if !slices.ContainsFunc(all, func(t *Table) bool { return singular(t.Name) == "session" }) {
		names = append(names, "session_id") // where no other table's rows are called so
	}
	for _, child := range all {
		columns := p.referringColumns(child)
		if len(columns) == 0 {
			columns = p.columnsCalled(names, child)
		}
		var keys []string
		for _, k := range child.ForeignKeys {
			keys = append(keys, k.Columns...)
		}
		for _, column := range columns {
			if maker := p.column(child, column).Maker; maker != "" && maker != p.sessions.Owner {
				p.warn("rows of table %q do not count as activity: the type of its column %q is one of the role %s, whose functions would run when it is read", child.path(), column, maker)
				continue
			}
			activity := sessioncleanup.Source{Table: child.path(), Session: column, At: child.activityTime(append(keys, column)...)}
			if !p.canName(child, sessioncleanup.Schema{Sources: []sessioncleanup.Source{activity}}) {
				p.warn("rows of table %q do not count as activity: a schema cannot have its name, or that of its column %q", child.path(), column)
				continue
			}
			p.Schema.Sources = append(p.Schema.Sources, activity)
		}
	}
}

// activityTime returns the column that says when a row of an activity table was made: one of the usual names, or else the
// first time, those first whose names end like one. A type that may hold anything needs such a name.
func (t *Table) activityTime(taken ...string) string {
	if name := t.first(activityTimeNames, Time|Date, taken...); name != "" {
		return name
	}
	found := ""
	for _, c := range t.Columns {
		if c.Kind&(Time|Date) == 0 || slices.Contains(taken, c.Name) {
			continue
		}
		name := strings.ToLower(c.Name)
		if strings.HasSuffix(name, "_at") || strings.HasSuffix(name, "_on") || strings.HasSuffix(name, "_time") || strings.HasSuffix(c.Name, "At") {
			return c.Name
		}
		if found == "" && c.Kind&(Text|Number) == 0 { // else it may hold anything
			found = c.Name
		}
	}
	return found
}

// referringColumns returns the columns of a table with a foreign key to a session's id.
func (p *proposer) referringColumns(child *Table) []string {
	var columns []string
	for _, k := range child.ForeignKeys {
		for i, column := range k.Columns {
			if p.refers(k, p.sessions) && p.same(k.target(p.sessions, i), p.Schema.ID) && !slices.Contains(columns, column) {
				columns = append(columns, column)
			}
		}
	}
	slices.Sort(columns)
	return columns
}

// columnsCalled returns the first column of a table with one of some names, when it can hold a session's id: it has no
// foreign key to something else, and the table is in the same database schema.
func (p *proposer) columnsCalled(names []string, child *Table) []string {
	column := child.first(names, 0)
	refers := func(k ForeignKey) bool { return len(k.Columns) == 1 && p.same(k.Columns[0], column) }
	if column == "" || child.Space != p.sessions.Space || slices.ContainsFunc(child.ForeignKeys, refers) {
		return nil
	}
	if child.Owner != "" && child.Owner != p.sessions.Owner {
		p.warn("rows of table %q do not count as activity: it belongs to %s, and has no foreign key to the sessions; a schema can name it", child.path(), child.Owner)
		return nil
	}
	if !fits(*p.column(p.sessions, p.Schema.ID), *p.column(child, column)) {
		p.warn("rows of table %q do not count as activity: the type of its column %q differs from that of a session's id", child.path(), column)
		return nil
	}
	return []string{column}
}

// fits reports whether every value of a child's column can be compared with a session's id.
func fits(id, child Column) bool {
	return id.Type == child.Type || id.Kind&child.Kind&identifying != 0 || id.Kind&Text != 0 && child.Kind&identifying != 0
}
