package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// namingEventTrigger adds to an error of a migration the event trigger that raised it, if one did.
func (s *Store) namingEventTrigger(ctx context.Context, err error) error {
	server, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || server.Where == "" {
		return err
	}
	rows, failed := s.pool.Query(ctx, `
		SELECT e.evtname FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_proc f ON f.oid = e.evtfoid
		 WHERE e.evtenabled <> 'D' AND strpos($1::text, f.proname || '(') > 0 ORDER BY 1`, server.Where)
	if failed != nil {
		return err // the migration's error says more
	}
	names, failed := pgx.CollectRows(rows, pgx.RowTo[string])
	if failed != nil || len(names) == 0 {
		return err
	}
	return fmt.Errorf("%w; the event trigger %s raised it: have a superuser run ALTER EVENT TRIGGER %s DISABLE while you migrate; the next migrate continues where this one ended",
		err, names[0], sqlfile.Column(names[0]))
}
