package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// Value returns the value that was stored last under a name.
func (s *Store) Value(ctx context.Context, name string) (data []byte, version int64, err error) {
	m, err := s.ready(ctx)
	if err != nil {
		return nil, 0, err
	}
	var text string
	err = s.pool.QueryRow(ctx, m.statement("value_read"), name).Scan(&text, &version)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, nil
	}
	return []byte(text), version, s.failed("read a value", err)
}

// SetValue stores a value after the given version.
func (s *Store) SetValue(ctx context.Context, name string, data []byte, version int64) (bool, error) {
	m, err := s.ready(ctx)
	if err != nil {
		return false, err
	}
	var stored int
	err = s.pool.QueryRow(ctx, m.statement("value_write"), name, string(data), version).Scan(&stored)
	return stored > 0, s.failed("store a value", err)
}
