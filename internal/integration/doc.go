// Package integration holds the tests that need more than a PostgreSQL server: a container engine, PgBouncer, pg_cron.
// It is a module of its own, so that programs that import the library do not get the dependencies of these tests.
//
// Each test fails and says what to install when that is missing. TestTables runs against the server whose programs
// are in the folder SESSIONCLEANUP_TEST_POSTGRES_BIN; scripts/test calls it once for each version.
package integration
