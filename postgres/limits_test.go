package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// PostgreSQL has transaction_timeout since 17. Before, it is a setting that nobody reads.
func TestNoTransactionTimeoutEndsABatch(t *testing.T) {
	t.Parallel()
	store, url, _ := shaped(t, usedTables+`CREATE TABLE seen (setting text); CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO public.seen VALUES (current_setting('transaction_timeout', true)); RETURN NEW; END $$;
		CREATE TRIGGER look BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION look();
		DO $$ BEGIN IF current_setting('transaction_timeout', true) IS NOT NULL THEN EXECUTE format('ALTER DATABASE %I SET transaction_timeout = ''1h''', current_database()); END IF; END $$`,
		sessioncleanup.MigrateOptions{})
	migrate(t, store)
	if err := runOnce(t, store); err != nil {
		t.Fatal(err)
	}
	pool := connect(t, url)
	if newer := value[bool](t, pool, "SELECT current_setting('server_version_num')::int >= 170000"); newer && value[string](t, pool, "SHOW transaction_timeout") != "1h" {
		t.Fatal("the database has no transaction_timeout: the test shows nothing")
	}
	if n := value[int](t, pool, "SELECT count(*) FROM seen"); n < 20 {
		t.Fatalf("the trigger ran %d times, want at least 20", n)
	}
	if ended := value[int](t, pool, "SELECT count(*) FROM seen WHERE setting <> '0'"); ended > 0 {
		t.Errorf("%d updates were in a transaction with a transaction_timeout", ended)
	}
}

func TestATransactionThatMayOnlyReadSaysWhy(t *testing.T) {
	t.Parallel()
	store, url, _ := shaped(t, usedTables, sessioncleanup.MigrateOptions{})
	migrate(t, store)
	mustExec(t, connect(t, url), "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$")
	if err := runOnce(t, open(t, url, postgres.Config{})); !errors.Is(err, sessioncleanup.ErrUnavailable) || !strings.Contains(err.Error(), "turn off default_transaction_read_only") {
		t.Errorf("a run gave %v", err)
	}
}
