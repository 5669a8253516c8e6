package sessioncleanup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Schema says where the application keeps its sessions. The zero value means a table of the library's own, which
// Migrate creates; a backend's Inspect proposes a Schema for a table that exists.
//
// Tables may be qualified with a schema ("app.sessions"). Names are given as the database stores them, without
// quotes; backends quote them. Only a table or schema with a dot in its name is written in double quotes: "\"v1.2\".rooms".
type Schema struct {
	// Table holds the sessions. Default: "sessions".
	Table string `json:"table"`
	// ID is the column that identifies a session. Default: "id".
	ID string `json:"id,omitempty"`

	// Owner, Name, Code, CreatedAt and UpdatedAt are columns of Table that the application may have. Default: none.
	Owner     string `json:"owner,omitempty"`
	Name      string `json:"name,omitempty"`
	Code      string `json:"code,omitempty"`
	CreatedAt string `json:"created_at,omitempty"`
	UpdatedAt string `json:"updated_at,omitempty"`

	// Active, LastActivity, ExpiresAt, AutoCleanup and DeactivatedAt are the columns of the lifecycle; Migrate adds those
	// that the table lacks. Default: "active", "last_activity", "expires_at", "auto_cleanup", "deactivated_at".
	Active        string `json:"active,omitempty"`
	LastActivity  string `json:"last_activity,omitempty"`
	ExpiresAt     string `json:"expires_at,omitempty"`
	AutoCleanup   string `json:"auto_cleanup,omitempty"`
	DeactivatedAt string `json:"deactivated_at,omitempty"`

	// AppTouches declares that the application itself reports all activity, with Manager.Touch, a Tracker, or its own
	// writes of LastActivity. Without it, a table that shows no activity before it is adopted (no last activity, update or
	// expiry column, and no activity table) is untracked: only sessions with an expiry are ever cleaned up. Default: false.
	AppTouches bool `json:"app_touches,omitempty"`

	// Owners is where owners' display names are. Default: nowhere.
	Owners *Owners `json:"owners,omitempty"`
	// Sources are the tables whose rows show that a session is in use. Default: none.
	Sources []Source `json:"sources,omitempty"`
}

// Owners is a table that knows the display names of the sessions' owners.
type Owners struct {
	Table string `json:"table"`
	ID    string `json:"id"`   // the column that Schema.Owner refers to
	Name  string `json:"name"` // the column with the name
}

// Source is an activity source: a child table whose new and changed rows count as activity of their session.
type Source struct {
	Table   string `json:"table"`
	Session string `json:"session"`      // the column that holds the session's id
	At      string `json:"at,omitempty"` // the column that says when the row was made. Default: none
}

// OwnSchema is the schema of the table that Migrate creates for users without one of their own.
func OwnSchema() Schema {
	return Schema{
		Table: "sessions", Owner: "owner_id", Name: "name", Code: "code",
		CreatedAt: "created_at", UpdatedAt: "updated_at",
	}.WithDefaults()
}

// IsZero reports whether nothing was said about where the sessions are.
func (s Schema) IsZero() bool {
	return s.Table == "" && s.ID == "" && s.columns() == [10]string{} && s.Owners == nil && len(s.Sources) == 0
}

func (s Schema) columns() [10]string {
	return [10]string{
		s.Owner, s.Name, s.Code, s.CreatedAt, s.UpdatedAt,
		s.Active, s.LastActivity, s.ExpiresAt, s.AutoCleanup, s.DeactivatedAt,
	}
}

// WithDefaults is the schema with the names that have a default filled in.
func (s Schema) WithDefaults() Schema {
	setIfZero(&s.Table, "sessions")
	setIfZero(&s.ID, "id")
	setIfZero(&s.Active, "active")
	setIfZero(&s.LastActivity, "last_activity")
	setIfZero(&s.ExpiresAt, "expires_at")
	setIfZero(&s.AutoCleanup, "auto_cleanup")
	setIfZero(&s.DeactivatedAt, "deactivated_at")
	return s
}

// Validate reports the first name that no table or column can have, or that is used twice, as an ErrInvalid that
// says which field holds it.
func (s Schema) Validate() error {
	s = s.WithDefaults()
	columns := []struct{ field, name string }{
		{"id", s.ID}, {"owner", s.Owner}, {"name", s.Name}, {"code", s.Code},
		{"created_at", s.CreatedAt}, {"updated_at", s.UpdatedAt},
		{"active", s.Active}, {"last_activity", s.LastActivity}, {"expires_at", s.ExpiresAt}, {"auto_cleanup", s.AutoCleanup}, {"deactivated_at", s.DeactivatedAt},
	}
	if err := validTable("schema.table", s.Table); err != nil {
		return err
	}
	seen := map[string]string{}
	for _, c := range columns {
		if c.name == "" {
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
	if s.Owners != nil {
		if s.Owner == "" {
			return invalid.Errorf("schema.owners is given but schema.owner is empty: want the column that refers to %q", s.Owners.Table)
		}
		if err := errors.Join(validTable("schema.owners.table", s.Owners.Table),
			validIdentifier("schema.owners.id", s.Owners.ID),
			validIdentifier("schema.owners.name", s.Owners.Name)); err != nil {
			return err
		}
	}
	tables := map[string]bool{}
	for i, src := range s.Sources {
		field := fmt.Sprintf("schema.sources[%d]", i)
		if err := errors.Join(validTable(field+".table", src.Table), validIdentifier(field+".session", src.Session)); err != nil {
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

// ReadSchema reads a schema as JSON, the form in which the command prints it. Unknown fields are an error.
func ReadSchema(r io.Reader) (Schema, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var s Schema
	if err := dec.Decode(&s); err != nil {
		return Schema{}, invalid.Errorf("schema is not readable: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Schema{}, invalid.Errorf("schema is followed by more text: want one JSON object")
	}
	return s, s.Validate()
}

// maxIdentifier is the longest name that PostgreSQL keeps; longer ones it cuts silently.
const maxIdentifier = 63

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
