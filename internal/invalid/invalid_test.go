package invalid_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

func TestAnErrorSaysOnceThatSomethingIsInvalid(t *testing.T) {
	t.Parallel()
	colon := invalid.Errorf("there is no colon: %w", io.EOF)
	rule := invalid.Errorf("rule %q: %w", "x", colon)
	for _, c := range []struct {
		err  error
		want string
	}{
		{colon, "invalid: there is no colon: EOF"},
		{rule, `invalid: rule "x": there is no colon: EOF`},
		{invalid.Errorf("Policy.Rules: %w", rule), `invalid: Policy.Rules: rule "x": there is no colon: EOF`},
		{invalid.Errorf("file: %w", fmt.Errorf("line 3: %w", rule)), `invalid: file: line 3: rule "x": there is no colon: EOF`},
		{invalid.Errorf("the name is %q", "invalid: x"), `invalid: the name is "invalid: x"`},
		{invalid.Errorf("the end: %w", io.EOF), "invalid: the end: EOF"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("the error says %q, want %q", got, c.want)
		}
		if !errors.Is(c.err, invalid.Err) {
			t.Errorf("%v is no invalid.Err", c.err)
		}
	}
	if !errors.Is(rule, io.EOF) || !errors.Is(rule, colon) {
		t.Error("an error does not wrap what it was made of")
	}
}
