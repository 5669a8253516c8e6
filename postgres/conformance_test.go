package postgres_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/postgres"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

// TestStore proves the backend on tables of every kind.
func TestStore(t *testing.T) {
	t.Parallel()
	for name, h := range hosts() {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t testing.TB) storetest.Harness { return h.harness(t) })
		})
	}
}

func (h host) harness(t testing.TB) storetest.Harness {
	url := pgtest.Prepared(t, h.name, h.adopt)
	first := open(t, url, postgres.Config{})
	schema, err := first.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The host's connections are in the zone in which its columns without time zone are meant.
	pool := connect(t, url+"&timezone=Europe/Paris&pool_max_conns=12")
	harness := storetest.Harness{
		Store:  first,
		Second: open(t, url, postgres.Config{}),
		Insert: func(ctx context.Context, sessions ...session) error { return h.insert(ctx, pool, schema, sessions...) },
		Pin: func(ctx context.Context, id string) error {
			_, err := pool.Exec(ctx, "INSERT INTO "+h.pins+" VALUES ('"+id+"')")
			return err
		},
	}
	if h.source != "" {
		harness.Activity = func(ctx context.Context, id string) error {
			_, err := pool.Exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) VALUES ('%s')", h.source, h.column, id))
			return err
		}
	}
	if h.uuid {
		harness.ID = func(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
	}
	return harness
}
