// Command sessioncleanup manages the lifecycle of the sessions in a database: it shows what is due, cleans it up and
// reports what it did.
//
//	sessioncleanup demo                            try everything on a temporary SQLite database
//	sessioncleanup migrate --database sqlite:app.db
//	sessioncleanup cleanup --dry-run
//
// docs/command.md describes its verbs, its environment and its exit codes. Package command is its code.
package main

import "github.com/sessioncleanup/sessioncleanup/command"

func main() { command.Main() }
