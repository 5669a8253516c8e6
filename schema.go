package sessioncleanup

import (
	"cmp"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/jsonfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Schema says where the application keeps its sessions. A backend completes what is left empty from the database, as its
// Inspect does; docs/schema.md shows schemas of many applications. In a database without a table of sessions the zero
// value means one of the library's own, which Migrate creates.
//
// None for a column that the table has says not to use it: Owner: None has nobody own a session. An empty list of
// Sources that is not nil says that no table shows activity.
//
// Tables may be qualified with a schema ("app.sessions"). Names are given as the database stores them, without
// quotes; backends quote them. Only a table or schema with a dot in its name is written in double quotes: "\"v1.2\".rooms".
type Schema struct {
	// Table holds the sessions. Default: the table that looks most like it, or else "sessions".
	Table string `json:"table,omitempty"`
	// ID is the column that identifies a session. Default: the primary key.
	ID string `json:"id,omitempty"`

	// Owner, Name, Code, CreatedAt and UpdatedAt are columns of Table that the application may have. Default: those that
	// are called like it.
	Owner     string `json:"owner,omitempty"`
	Name      string `json:"name,omitempty"`
	Code      string `json:"code,omitempty"`
	CreatedAt string `json:"created_at,omitempty"`
	UpdatedAt string `json:"updated_at,omitempty"`

	// Active, LastActivity, ExpiresAt, AutoCleanup and DeactivatedAt are the columns of the lifecycle. Default: those that
	// are called like it, or else "active", "last_activity", "expires_at", "auto_cleanup" and "deactivated_at", which
	// Migrate adds. A column of another name must exist, unless AddColumns is set.
	Active        string `json:"active,omitempty"`
	LastActivity  string `json:"last_activity,omitempty"`
	ExpiresAt     string `json:"expires_at,omitempty"`
	AutoCleanup   string `json:"auto_cleanup,omitempty"`
	DeactivatedAt string `json:"deactivated_at,omitempty"`
	// AddColumns has Migrate add a column of the lifecycle that is named here and does not exist. Default: false.
	AddColumns bool `json:"add_columns,omitempty"`

	// State says which values of Active stand for an active session, where that is no boolean. Default: none.
	State *State `json:"state,omitempty"`
	// DeletedAt is the column of the application's soft deletion: a row with a time in it is no session any more, and not
	// seen. Default: a column that is called like it.
	DeletedAt string `json:"deleted_at,omitempty"`
	// SoftDelete has a deletion write the current time into DeletedAt. The row stays, and so do the rows that refer to it:
	// there is nothing to archive. Default: false, a deletion removes the row.
	SoftDelete bool `json:"soft_delete,omitempty"`
	// Only restricts the sessions to the rows of Table that have one of some values in each of some columns. Other rows are
	// neither seen nor changed. Default: all rows.
	Only []Only `json:"only,omitempty"`

	// TagColumns are columns of Table whose values are tags of their sessions: plan:gold for "gold" in the column plan. See
	// ColumnTag. The backend keeps the tags up to date, whoever writes the columns; they cannot be set otherwise. There are
	// at most 5. An empty list that is not nil removes the tags of earlier columns. Default: none.
	TagColumns []string `json:"tag_columns,omitempty"`

	// AppTouches declares that the application itself reports all activity, with Manager.Touch, a Tracker, or its own
	// writes of LastActivity. Without it, a table that shows no activity before it is adopted (no last activity, update or
	// expiry column, and no activity table) is untracked: only sessions with an expiry are ever cleaned up. Default: false.
	AppTouches bool `json:"app_touches,omitempty"`

	// Owners is where owners' display names are, and how they are reached. Default: the table that Owner refers to by a
	// foreign key.
	Owners *Owners `json:"owners,omitempty"`
	// Sources are the tables whose rows show that a session is in use. Default: those that refer to it.
	Sources []Source `json:"sources,omitempty"`
}

// None in place of a column name tells a Schema not to use such a column even if the table has one.
const None = "-"

// Owners is a table that knows the display names of the sessions' owners.
type Owners struct {
	Table string `json:"table"`
	ID    string `json:"id"`   // the column that Schema.Owner refers to
	Name  string `json:"name"` // the column with the name

	// Mail, Language and Zone are columns with how an owner is warned: an address, a language such as "fr", and a time zone
	// such as "Europe/Paris". Default: those that are called like it, where the table is found; none of a table that is
	// given.
	Mail     string `json:"mail,omitempty"`
	Language string `json:"language,omitempty"`
	Zone     string `json:"time_zone,omitempty"`
}

// Source is an activity source: a child table whose new and changed rows count as activity of their session.
type Source struct {
	Table   string `json:"table"`
	Session string `json:"session"`      // the column that holds the session's id
	At      string `json:"at,omitempty"` // the column that says when the row was made. Default: none
}

// OwnSchema returns the schema of the table that Migrate creates when the application has none.
func OwnSchema() Schema {
	return Schema{
		Table: "sessions", Owner: "owner_id", Name: "name", Code: "code",
		CreatedAt: "created_at", UpdatedAt: "updated_at",
	}.WithDefaults()
}

// IsZero reports whether no field is set.
func (s Schema) IsZero() bool {
	s.AddColumns = false
	return reflect.DeepEqual(s, Schema{})
}

// WithDefaults returns the schema with default names filled in.
func (s Schema) WithDefaults() Schema {
	setIfZero(&s.Table, "sessions")
	setIfZero(&s.ID, "id")
	setIfZero(&s.Active, "active")
	setIfZero(&s.LastActivity, "last_activity")
	setIfZero(&s.ExpiresAt, "expires_at")
	setIfZero(&s.AutoCleanup, "auto_cleanup")
	setIfZero(&s.DeactivatedAt, "deactivated_at")
	if s.State != nil && s.State.Reactivated == "" && len(s.State.Active) > 0 {
		state := *s.State
		state.Reactivated = state.Active[0]
		s.State = &state
	}
	return s
}

// Validate returns an ErrInvalid for the first name that no table or column can have, or that is used twice. The error
// says which field holds it.
func (s Schema) Validate() error {
	s = s.WithDefaults()
	columns := []struct{ field, name string }{
		{"id", s.ID}, {"owner", s.Owner}, {"name", s.Name}, {"code", s.Code},
		{"created_at", s.CreatedAt}, {"updated_at", s.UpdatedAt},
		{"active", s.Active}, {"last_activity", s.LastActivity}, {"expires_at", s.ExpiresAt}, {"auto_cleanup", s.AutoCleanup}, {"deactivated_at", s.DeactivatedAt},
		{"deleted_at", s.DeletedAt},
	}
	if err := validTable("schema.table", s.Table); err != nil {
		return err
	}
	seen := map[string]string{}
	for _, c := range columns {
		if c.name == "" || c.name == None && slices.Contains(optional, c.field) {
			continue
		}
		if err := validIdentifier("schema."+c.field, c.name); err != nil {
			return err
		}
		if other, twice := seen[c.name]; twice {
			return invalid.Errorf("schema.%s and schema.%s are both %q: want two columns", other, c.field, c.name)
		}
		seen[c.name] = c.field
	}
	return cmp.Or(s.validRows(), s.validTagColumns(), s.validOwners(), s.validSources())
}

func (s Schema) validOwners() error {
	o := s.Owners
	switch {
	case o == nil:
		return nil
	case s.Owner == "" || s.Owner == None:
		return invalid.Errorf("schema.owners is given but schema.owner is empty: want the column that refers to %q", o.Table)
	}
	if err := cmp.Or(validTable("schema.owners.table", o.Table),
		validIdentifier("schema.owners.id", o.ID), validIdentifier("schema.owners.name", o.Name)); err != nil {
		return err
	}
	for _, c := range []struct{ field, column string }{{"mail", o.Mail}, {"language", o.Language}, {"time_zone", o.Zone}} {
		if c.column == "" {
			continue
		}
		if err := validIdentifier("schema.owners."+c.field, c.column); err != nil {
			return err
		}
		if o.Mail == "" {
			return invalid.Errorf("schema.owners.%s is given but schema.owners.mail is empty: want the column with the addresses", c.field)
		}
	}
	return nil
}

func (s Schema) validSources() error {
	tables := map[string]bool{}
	for i, src := range s.Sources {
		field := fmt.Sprintf("schema.sources[%d]", i)
		if err := cmp.Or(validTable(field+".table", src.Table), validIdentifier(field+".session", src.Session)); err != nil {
			return err
		}
		if src.At != "" {
			if err := validIdentifier(field+".at", src.At); err != nil {
				return err
			}
		}
		if tables[src.Table+"\x00"+src.Session] {
			return invalid.Errorf("%s repeats table %q with column %q", field, src.Table, src.Session)
		}
		tables[src.Table+"\x00"+src.Session] = true
	}
	return nil
}

// optional are the fields that may be None.
var optional = []string{"owner", "name", "code", "created_at", "updated_at", "deleted_at"}

// ReadSchema reads a schema as one JSON object, in the form that the command prints. An unknown field is an ErrInvalid, as
// is one that is there twice, or of the wrong type.
func ReadSchema(r io.Reader) (Schema, error) {
	var s Schema
	if err := jsonfile.Decode(r, &s); err != nil {
		return Schema{}, invalid.Errorf("the schema cannot be read: %w", err)
	}
	return s, s.Validate()
}

// maxIdentifier is the longest name that any backend takes, in bytes: MariaDB's have 64 characters. Each backend refuses what is
// too long for its database.
const maxIdentifier = 256

// quotedTable matches a table's name in which a part is in double quotes.
var quotedTable = regexp.MustCompile(`^("[^"]+"|[^".]+)(\.("[^"]+"|[^".]+))?$`)

// validTable checks a table's name, with or without a schema before it.
func validTable(field, name string) error {
	if strings.Contains(name, `"`) && !quotedTable.MatchString(name) {
		return invalid.Errorf("%s is %q: want quotes only around a whole name with a dot", field, name)
	}
	parts := sqlfile.Split(name)
	if len(parts) > 2 {
		return invalid.Errorf("%s is %q: want a table, or a schema and a table with one dot between; put a name with a dot of its own in double quotes", field, name)
	}
	for _, part := range parts {
		if err := validIdentifier(field, part); err != nil {
			return err
		}
	}
	return nil
}

func validIdentifier(field, name string) error {
	switch {
	case name == "":
		return invalid.Errorf("%s is empty: want a name", field)
	case len(name) > maxIdentifier:
		return invalid.Errorf("%s is %q: want at most %d bytes", field, name, maxIdentifier)
	case !utf8.ValidString(name):
		return invalid.Errorf("%s is %q: want valid UTF-8", field, name)
	}
	if strings.ContainsAny(name, "\"'`;\\") || strings.ContainsFunc(name, unicode.IsControl) {
		return invalid.Errorf("%s is %q: want no quotes, semicolons, backslashes and control characters", field, name)
	}
	return nil
}
