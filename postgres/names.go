package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// warnOfNames logs triggers of the application that rely on a search path that runs do not have: in a run they fail.
func (s *Store) warnOfNames(ctx context.Context, m *mapping) {
	rows, err := s.pool.Query(ctx, statements["lost_names"], m.table.oid, m.space)
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "triggers could not be checked", "error", err)
		return
	}
	var trigger, names, path string
	_, err = pgx.ForEachRow(rows, []any{&trigger, &names, &path}, func() error {
		s.cfg.Logger.WarnContext(ctx, fmt.Sprintf("the %s uses %s without the schema, and fails in cleanup runs, which look for names in %s only: name the schema in its function, "+
			"or ALTER FUNCTION … SET search_path, or migrate with a search_path that has the schema", trigger, names, path))
		return nil
	})
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "triggers could not be checked", "error", err)
	}
}
