package command

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

// maxDotEnv is the size of the largest file .env that is read, in bytes.
const maxDotEnv = 64 << 10

// variables are those of the environment that this command reads, also from .env.
var variables = slices.Concat([]string{envDatabase, envName}, policyVariables, []string{"NO_COLOR"})

// loadDotEnv adds this command's variables in a file .env in the working directory to the environment; on conflict the
// environment wins. Others are left out, as the file may belong to another user: SUDO_USER names the actor in the audit
// log, and libpq's variables are read from the real environment.
func (a *app) loadDotEnv() error {
	path := filepath.Join(a.dir, ".env")
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return usagef(".env cannot be read: %w", err)
	case !info.Mode().IsRegular():
		return usagef(".env is a folder or a device: want a file")
	case info.Size() > maxDotEnv:
		return usagef(".env has %d bytes: want at most %d", info.Size(), maxDotEnv)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return usagef(".env cannot be read: %w", err)
	}
	values, err := godotenv.UnmarshalBytes(bytes.TrimPrefix(content, []byte("\ufeff"))) // a byte order mark, from Windows
	if err != nil {                                                                     // the library's error quotes the file, which may contain a password
		return usagef(".env cannot be read: want lines of the form NAME=value")
	}
	a.names = slices.AppendSeq(slices.Clip(a.names), maps.Keys(values))
	environment := a.lookup
	a.lookup = func(name string) (string, bool) {
		if value, ok := environment(name); ok {
			return value, true
		}
		if !slices.Contains(variables, name) {
			return "", false
		}
		value, ok := values[name]
		return value, ok
	}
	return nil
}

// getenv is the value of a variable, or "" when it is not set.
func (a *app) getenv(name string) string {
	value, _ := a.lookup(name)
	return value
}
