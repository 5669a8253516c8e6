// Package invalid makes the errors that report a wrong argument, option or setting. It is separate from the root
// package so that every package of this module, the root included, makes them the same way.
package invalid

import (
	"errors"
	"fmt"
	"strings"
)

// Err is what every error made by Errorf wraps. The root package exports it as ErrInvalid.
var Err = errors.New("invalid")

// Errorf makes an error that wraps Err. The message names the field or flag, its value and what would be right. Where it
// wraps another error like it, the message says only once that something is invalid.
func Errorf(format string, args ...any) error {
	inner := fmt.Errorf(format, args...)
	text := inner.Error()
	for _, arg := range args {
		if err, ok := arg.(error); ok && errors.Is(err, Err) {
			said := err.Error()
			text = strings.Replace(text, said, strings.Replace(said, prefix, "", 1), 1)
		}
	}
	return &failure{prefix + text, inner}
}

// prefix is that of the messages.
const prefix = "invalid: "

// failure is an Err with its message and what it wraps besides.
type failure struct {
	message string
	inner   error
}

func (f *failure) Error() string   { return f.message }
func (f *failure) Unwrap() []error { return []error{Err, f.inner} }
