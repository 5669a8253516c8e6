package invalid_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

func TestAnErrorSaysOnlyWhatIsWrong(t *testing.T) {
	t.Parallel()
	colon := invalid.Errorf("there is no colon: %w", io.EOF)
	rule := invalid.Errorf("rule %q: %w", "x", colon)
	if got, want := rule.Error(), `rule "x": there is no colon: EOF`; got != want {
		t.Errorf("the error says %q, want %q", got, want)
	}
	found := fmt.Errorf("migrate: %w", invalid.Databasef("the table is odd: %w", io.EOF))
	if got, want := found.Error(), "migrate: the table is odd: EOF"; got != want {
		t.Errorf("the error says %q, want %q", got, want)
	}
	for _, wrapped := range []error{invalid.Err, invalid.ErrDatabase, io.EOF} {
		if !errors.Is(found, wrapped) {
			t.Errorf("the error about the database does not wrap %q", wrapped)
		}
	}
	if errors.Is(rule, invalid.ErrDatabase) {
		t.Error("an error about an argument is one about the database")
	}
	for _, wrapped := range []error{invalid.Err, io.EOF, colon} {
		if !errors.Is(rule, wrapped) {
			t.Errorf("the error does not wrap %q", wrapped)
		}
	}
}
