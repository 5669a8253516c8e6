// Package integration holds the tests that need more than a PostgreSQL server: a container engine, PgBouncer, pg_cron.
// It is a module of its own, so that whoever imports the library never sees what these tests depend on.
//
// Each test fails and says what to install when that is missing. TestVersions runs against the server whose programs
// are in the folder SESSIONCLEANUP_TEST_POSTGRES_BIN; scripts/test calls it once for each version.
package integration
