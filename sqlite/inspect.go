package sqlite

import (
	"context"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// The names by which columns are recognized, the likeliest first.
var (
	ownerNames    = []string{"owner_id", "user_id", "streamer_id", "host_id", "creator_id", "account_id", "author_id", "member_id", "customer_id", "created_by", "owner"}
	displayNames  = []string{"display_name", "name", "username", "user_name", "full_name", "nickname", "login", "title", "email"}
	nameNames     = []string{"name", "title", "label", "subject", "topic"}
	codeNames     = []string{"code", "slug", "join_code", "invite_code", "session_code"}
	createdNames  = []string{"created_at", "created", "created_on", "inserted_at", "creation_date", "date_created", "createdat"}
	updatedNames  = []string{"updated_at", "updated", "updated_on", "modified_at", "date_updated", "updatedat"}
	happenedNames = []string{"created_at", "created", "created_on", "inserted_at", "added_at", "posted_at", "sent_at", "occurred_at", "timestamp", "at", "createdat"}
	activeNames   = []string{"active", "is_active"}
	lastUsedNames = []string{"last_activity", "last_activity_at", "last_active_at"}
	expiryNames   = []string{"expires_at", "expiry", "expires"}
)

// Inspect reads the database and proposes a Schema. The sessions are in the table that Config.Schema names, in a table
// "sessions", or else in the one table name says so, or else in the one table with a column "active" or "is_active"
// that others refer to. Without any, it proposes OwnSchema; with several, it fails with an ErrInvalid that lists them.
//
// Foreign keys to the sessions table make activity sources, and so does a column session_id; a foreign key from it to a
// table with a name makes the owner, and so does a column owner_id, user_id and the like. Nothing is changed.
func (s *Store) Inspect(ctx context.Context) (sessioncleanup.Schema, error) {
	var schema sessioncleanup.Schema
	err := s.reading(ctx, func(w *work) error {
		c, err := readCatalog(ctx, w)
		if err != nil {
			return err
		}
		schema, err = c.propose(s.given.Table)
		return err
	})
	return schema, err
}

// propose makes a schema of what the catalog tells, for a table unless its name is empty.
func (c *catalog) propose(name string) (sessioncleanup.Schema, error) {
	t, err := c.sessionsTable(name)
	if err != nil {
		return sessioncleanup.Schema{}, err
	}
	if t == nil {
		return sessioncleanup.OwnSchema(), nil
	}
	s := sessioncleanup.Schema{Table: t.name}
	switch key := t.primaryKey(); {
	case key != nil:
		s.ID = key.name
	case t.first("id") != "" && t.unique("id"):
		s.ID = t.first("id")
	default:
		return s, invalidf("table %q has no primary key of one column, nor a unique column id: give a schema that names a unique column", t.name)
	}
	c.proposeOwner(t, &s)
	free := func(names []string) string { // one that is not taken for something else
		return t.first(slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			return strings.EqualFold(name, s.ID) || strings.EqualFold(name, s.Owner)
		})...)
	}
	s.Name, s.Code = free(nameNames), free(codeNames)
	s.CreatedAt, s.UpdatedAt = free(createdNames), free(updatedNames)
	s.Active, s.LastActivity, s.ExpiresAt = free(activeNames), free(lastUsedNames), free(expiryNames)
	s.Sources = c.proposeSources(t, s.ID)
	s = s.WithDefaults()
	return s, validSchema(s)
}

// sessionsTable finds the table of the sessions, or nil.
func (c *catalog) sessionsTable(name string) (*table, error) {
	if name != "" && c.find(name) != nil {
		return c.mustFind("schema.table", name)
	}
	if name != "" && name != sessioncleanup.OwnSchema().Table {
		return nil, invalidf("schema.table is %q: there is no such table", name)
	}
	if c.find("sessions") != nil {
		return c.mustFind("table", "sessions")
	}
	var named, used []*table
	for _, t := range c.hosts() {
		name := strings.ToLower(t.name)
		if strings.HasSuffix(name, "sessions") || strings.HasSuffix(name, "session") {
			named = append(named, t)
		}
		if t.first(activeNames...) != "" && len(c.children(t)) > 0 {
			used = append(used, t)
		}
	}
	for _, candidates := range [][]*table{named, used} {
		if len(candidates) == 1 {
			return candidates[0], nil
		}
		if len(candidates) > 1 {
			names := []string{}
			for _, t := range candidates {
				names = append(names, t.name)
			}
			return nil, invalidf("the sessions may be in any of the tables %s: say which with a schema", strings.Join(names, ", "))
		}
	}
	return nil, nil
}

// children are the tables with a foreign key to another one.
func (c *catalog) children(of *table) []*table {
	return slices.DeleteFunc(c.hosts(), func(t *table) bool {
		return t == of || !slices.ContainsFunc(t.keys, func(k foreignKey) bool { return strings.EqualFold(k.table, of.name) })
	})
}

// proposeOwner finds the owner's column and where the owners' names are.
func (c *catalog) proposeOwner(t *table, s *sessioncleanup.Schema) {
	rank := func(column string) int {
		if i := slices.Index(ownerNames, strings.ToLower(column)); i >= 0 {
			return i
		}
		return len(ownerNames)
	}
	best := -1
	for _, k := range t.keys {
		parent := c.find(k.table)
		if parent == nil || parent == t || parent.first(displayNames...) == "" || rank(k.column) >= best && best >= 0 {
			continue
		}
		id := k.to
		if key := parent.primaryKey(); id == "" && key != nil {
			id = key.name
		}
		if id == "" || !plain(parent.name) {
			continue
		}
		best = rank(k.column)
		s.Owner = k.column
		s.Owners = &sessioncleanup.Owners{Table: parent.name, ID: id, Name: parent.first(displayNames...)}
	}
	if s.Owner == "" {
		s.Owner = t.first(ownerNames...)
	}
}

// proposeSources finds the tables whose rows show activity.
func (c *catalog) proposeSources(t *table, id string) []sessioncleanup.Source {
	var sources []sessioncleanup.Source
	singular := strings.TrimSuffix(strings.ToLower(t.name), "s") + "_id"
	for _, child := range c.hosts() {
		if child == t || !plain(child.name) {
			continue
		}
		column := ""
		for _, k := range child.keys {
			if k.refersTo(t, id) {
				column = k.column
				break
			}
		}
		if column == "" {
			column = child.first("session_id", singular)
			if slices.ContainsFunc(child.keys, func(k foreignKey) bool { return strings.EqualFold(k.column, column) }) {
				column = "" // it refers to something else
			}
		}
		if column != "" {
			sources = append(sources, sessioncleanup.Source{Table: child.name, Session: column, At: child.first(happenedNames...)})
		}
	}
	return sources
}

// first gives the first of some columns that the table has, as it spells it, or nothing.
func (t *table) first(names ...string) string {
	for _, name := range names {
		if c := t.column(name); c != nil {
			return c.name
		}
	}
	return ""
}

// plain reports whether a table's name is one that a schema can have.
func plain(name string) bool {
	return validSchema(sessioncleanup.Schema{Table: name}) == nil
}
