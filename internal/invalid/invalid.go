// Package invalid makes the errors that report a wrong argument, option or setting. It is separate from the root
// package so that every package of this module, the root included, makes them the same way.
package invalid

import (
	"errors"
	"fmt"
)

// Err is what every error made by Errorf wraps. The root package exports it as ErrInvalid.
var Err = errors.New("invalid")

// Errorf makes an error that wraps Err. Its text is that of the format alone, which names the field or flag, its value and
// what would be right: a reader needs no word for the kind of the error before it.
func Errorf(format string, args ...any) error {
	return failure{fmt.Errorf(format, args...)}
}

// ErrDatabase is what every error made by Databasef wraps besides Err.
var ErrDatabase = errors.New("invalid database")

// Databasef is Errorf for what is wrong in the database, however right the call is: the application's tables, rows and
// objects, the role's rights, the server. The text says what to do there.
func Databasef(format string, args ...any) error {
	return databaseFailure{failure{fmt.Errorf(format, args...)}}
}

type failure struct{ error }

func (f failure) Unwrap() []error { return []error{Err, f.error} }

type databaseFailure struct{ failure }

func (f databaseFailure) Unwrap() []error { return []error{ErrDatabase, f.failure} }
