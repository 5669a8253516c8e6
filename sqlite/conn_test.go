package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
)

// late ends the context of the statement that begins a transaction between its end and the driver's return.
type late struct{ database }

func (l late) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	result, err := l.database.ExecContext(ctx, query, args...)
	if err == nil && query == "BEGIN IMMEDIATE" {
		return nil, context.Canceled
	}
	return result, err
}

func TestNoTransactionStaysOpenWhenItsContextEndsAsItBegins(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "app.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	one, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = one.Close() }()
	nothing := func(*conn) error { return nil }
	if err := (naming{}).conn(late{one}, nil).transact(t.Context(), nothing); !errors.Is(err, context.Canceled) {
		t.Fatalf("the transaction whose context ended: %v", err)
	}
	if err := (naming{}).conn(one, nil).transact(t.Context(), nothing); err != nil {
		t.Errorf("the next transaction on the connection: %v", err)
	}
}
