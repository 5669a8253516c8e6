package main

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/joho/godotenv"
)

// loadDotEnv adds the variables of a file .env in the working directory to the environment; on conflict
// the environment wins. Only this command sees them: libpq's, PGPASSWORD for example, are read from the real environment.
func (a *app) loadDotEnv() error {
	content, err := os.ReadFile(filepath.Join(a.dir, ".env"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return usagef(".env cannot be read: %w", err)
	}
	variables, err := godotenv.UnmarshalBytes(bytes.TrimPrefix(content, []byte("\ufeff"))) // a byte order mark, from Windows
	if err != nil {                                                                        // the library's error quotes the file, which may contain a password
		return usagef(".env cannot be read: want lines of the form NAME=value")
	}
	a.names = slices.AppendSeq(slices.Clip(a.names), maps.Keys(variables))
	environment := a.lookup
	a.lookup = func(name string) (string, bool) {
		if value, ok := environment(name); ok {
			return value, true
		}
		value, ok := variables[name]
		return value, ok
	}
	return nil
}

// getenv is the value of a variable, or "" when it is not set.
func (a *app) getenv(name string) string {
	value, _ := a.lookup(name)
	return value
}
