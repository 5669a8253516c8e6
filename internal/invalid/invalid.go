// Package invalid makes the errors that report a wrong argument, option or setting. It is separate from the root
// package so that every package of this module, the root included, makes them the same way.
package invalid

import (
	"errors"
	"fmt"
)

// Err is what every error made by Errorf wraps. The root package exports it as ErrInvalid.
var Err = errors.New("invalid")

// Errorf makes an error that wraps Err. The message names the field or flag, its value and what would be right.
func Errorf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", Err, fmt.Errorf(format, args...))
}
