package pgapps

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

// application is the name of the application's connections.
const application = "application"

// disconnect ends all connections to the database but those of the application.
func disconnect(pool *pgxpool.Pool) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := pool.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name <> '`+application+`' AND backend_type = 'client backend'`)
		return err
	}
}

// locks begins transactions of the application.
func (h App) locks(pool *pgxpool.Pool, table, id string) func(context.Context) (storetest.Transaction, error) {
	return func(ctx context.Context) (storetest.Transaction, error) {
		tx, err := pool.Begin(ctx)
		return transaction{h, pool, tx, sqlfile.Table(table), sqlfile.Column(id)}, err
	}
}

// parts is a table like that of the pins, whose rows are deleted along with their session.
func (h App) parts() string { return strings.Replace(h.pins, "pins", "parts", 1) }

// makeParts makes that table, after the migration: it is no activity table.
func (h App) makeParts() string {
	if h.pinned == "" {
		return ""
	}
	return strings.TrimSuffix(strings.Replace(h.pinned, h.pins, h.parts(), 1), ")") + " ON DELETE CASCADE)"
}

type transaction struct {
	app       App
	pool      *pgxpool.Pool
	tx        pgx.Tx
	table, id string // quoted
}

func (t transaction) LockSession(ctx context.Context, id string) error {
	_, err := t.tx.Exec(ctx, fmt.Sprintf("SELECT FROM %s WHERE %s = '%s' FOR UPDATE", t.table, t.id, id))
	return err
}

func (t transaction) LockChild(ctx context.Context, id string) error {
	if t.app.pinned == "" {
		return errors.ErrUnsupported
	}
	table := t.app.parts()
	if _, err := t.pool.Exec(ctx, fmt.Sprintf("INSERT INTO %s VALUES ('%s')", table, id)); err != nil {
		return err
	}
	_, err := t.tx.Exec(ctx, fmt.Sprintf("SELECT FROM %s WHERE session_id = '%s' FOR UPDATE", table, id))
	return err
}

func (t transaction) LockWrites(ctx context.Context) error {
	_, err := t.tx.Exec(ctx, "LOCK TABLE "+t.table+" IN EXCLUSIVE MODE")
	return err
}

func (t transaction) Rollback() error { return t.tx.Rollback(context.Background()) }
