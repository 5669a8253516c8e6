package sessioncleanup

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// State says what the values of a column mean that is not a boolean: text, an enumeration, or a number, which is
// written as text here. A session with a value in Active is active, and so is one with NULL; any other value means
// inactive. When some values are neither, exclude them with Schema.Only on the same column.
type State struct {
	// Active are the values of active sessions.
	Active []string `json:"active"`
	// Deactivated is the value that a deactivation writes.
	Deactivated string `json:"deactivated"`
	// Reactivated is the value that a reactivation writes. Default: the first of Active.
	Reactivated string `json:"reactivated,omitempty"`
}

// Only limits which rows are sessions: those that have one of the values in the column. Write numbers and booleans as
// text.
type Only struct {
	Column string   `json:"column"`
	Values []string `json:"values"`
}

// maxValue is the length of the longest value of a State or an Only, in bytes.
const maxValue = 200

// validRows checks what says which rows are sessions, and which sessions are active.
func (s Schema) validRows() error {
	if s.SoftDelete && s.DeletedAt == None {
		return invalid.Errorf("schema.soft_delete is true but schema.deleted_at is %q: want the column that a deletion writes", None)
	}
	if s.State != nil {
		if err := s.State.valid(); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for i, only := range s.Only {
		field := fmt.Sprintf("schema.only[%d]", i)
		if err := validIdentifier(field+".column", only.Column); err != nil {
			return err
		}
		if seen[only.Column] {
			return invalid.Errorf("%s repeats column %q: want all of its values in one", field, only.Column)
		}
		seen[only.Column] = true
		if err := validValues(field+".values", only.Values...); err != nil {
			return err
		}
		if s.State == nil || only.Column != s.Active {
			continue
		}
		for _, value := range append(slices.Clone(s.State.Active), s.State.Deactivated) {
			if !slices.Contains(only.Values, value) {
				return invalid.Errorf("%s.values has no %q, which schema.state has: such a session would no longer be found", field, value)
			}
		}
	}
	return nil
}

func (s State) valid() error {
	if err := validValues("schema.state.active", s.Active...); err != nil {
		return err
	}
	if err := validValues("schema.state.deactivated", s.Deactivated); err != nil {
		return err
	}
	switch {
	case slices.Contains(s.Active, s.Deactivated):
		return invalid.Errorf("schema.state.deactivated is %q, which schema.state.active has too: want the value of an inactive session", s.Deactivated)
	case s.Reactivated != "" && !slices.Contains(s.Active, s.Reactivated):
		return invalid.Errorf("schema.state.reactivated is %q: want one of %q, the values of schema.state.active", s.Reactivated, s.Active)
	}
	return nil
}

// validValues checks values of a column: at least one, none of them empty or twice.
func validValues(field string, values ...string) error {
	if len(values) == 0 {
		return invalid.Errorf("%s is empty: want at least one value", field)
	}
	for i, value := range values {
		switch {
		case value == "":
			return invalid.Errorf("%s has an empty value: want a value of the column", field)
		case len(value) > maxValue:
			return invalid.Errorf("%s has the value %q: want at most %d bytes", field, value, maxValue)
		case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
			return invalid.Errorf("%s has the value %q: want valid UTF-8 without control characters", field, value)
		case slices.Contains(values[:i], value):
			return invalid.Errorf("%s has the value %q twice", field, value)
		}
	}
	return nil
}
