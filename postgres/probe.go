package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// Probe tries out whether a row of each activity table is noticed, and compares the role's privileges with those that
// runs need.
func (s *Store) Probe(ctx context.Context) (found sessioncleanup.Probe, err error) {
	m, err := s.ready(ctx)
	if err != nil {
		return found, err
	}
	var standby bool
	if err := s.pool.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&standby); err != nil {
		return found, mapError("look for a standby", err)
	}
	if standby {
		return found, fmt.Errorf("%w: %s", sessioncleanup.ErrUnavailable, onStandby)
	}
	if found.Denied, err = s.denied(ctx, m); err != nil {
		return found, err
	}
	for _, src := range m.sources {
		if src.owner != m.table.owner { // its triggers would run with this role's rights
			found.Untried = append(found.Untried, fmt.Sprintf("%s: it belongs to %s, and the sessions to %s", src.path(), src.owner, m.table.owner))
			continue
		}
		noticed, err := s.noticed(ctx, m, src)
		switch {
		case errors.Is(err, sessioncleanup.ErrUnavailable) || ctx.Err() != nil:
			return found, err
		case err != nil:
			found.Untried = append(found.Untried, src.path()+": "+err.Error())
		case !noticed:
			found.Unnoticed = append(found.Unnoticed, src.path())
		}
	}
	return found, nil
}

// denied is what a role that cleans up is granted and this one lacks.
func (s *Store) denied(ctx context.Context, m *mapping) (lacks []string, err error) {
	p := &plan{q: s.pool, m: m}
	grants, err := p.grantsFor(ctx, true)
	if err != nil {
		return nil, err
	}
	var role string
	if err := s.pool.QueryRow(ctx, "SELECT current_user::text").Scan(&role); err != nil {
		return nil, mapError("look up the role", err)
	}
	missing, err := p.lacking(ctx, role, grants)
	for _, g := range missing {
		on := relation{space: g.Space, name: g.Table}.path()
		if g.Table == "" {
			on = "schema " + g.Space
		}
		lacks = append(lacks, g.Privilege+" on "+on)
	}
	return lacks, err
}

// noticed reports whether the use of a row of an activity table is noted; also when there is no row. The transaction is
// serializable because the triggers of such a one note each use, whenever the session was used last.
func (s *Store) noticed(ctx context.Context, m *mapping, src source) (noted bool, err error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release() // destroys the connection if it is still in a transaction
	names := sqlfile.Names{"source": src.sql(), "session": sqlfile.Column(src.Session)}
	var row pgtype.TID
	var table uint32 // that the row is in: the source itself, or a partition
	var before int64
	batch := &pgx.Batch{}
	batch.Queue("BEGIN ISOLATION LEVEL SERIALIZABLE")
	batch.Queue(s.pool.begin())
	batch.Queue("SELECT set_config('statement_timeout', $1::text, true), set_config('lock_timeout', $1::text, true)", milliseconds(s.cfg.LockTimeout))
	batch.Queue(m.statement("probe_row", names)).QueryRow(func(r pgx.Row) error { return r.Scan(&row, &table, &before) })
	batch.Queue("SET LOCAL search_path TO DEFAULT") // for the application's triggers
	err = s.noAnswer(ctx, conn.SendBatch(ctx, batch).Close())
	if err == nil {
		batch = &pgx.Batch{}
		batch.Queue(m.statement("probe_use", names), row, table)
		batch.Queue(s.pool.begin())
		batch.Queue(m.statement("probe_noted", names), before).QueryRow(func(r pgx.Row) error { return r.Scan(&noted) })
		err = s.noAnswer(ctx, conn.SendBatch(ctx, batch).Close())
	}
	if !conn.Conn().IsClosed() {
		_, _ = conn.Exec(ctx, "ROLLBACK") // if this fails, the release closes the connection
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return true, nil
	}
	return noted, mapError("probe "+src.path(), err)
}
