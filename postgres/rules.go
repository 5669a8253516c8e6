package postgres

import (
	"errors"
	"fmt"
)

// errNoRules refuses a policy that this store could not keep to.
var errNoRules = fmt.Errorf("Policy.Rules: the PostgreSQL store does not follow rules by tag: %w", errors.ErrUnsupported)
