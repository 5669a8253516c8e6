package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// adoption is the version of what adopt adds to the host's tables. It rises when that changes.
const adoption = 1

// settings is what the database remembers of an adoption.
type settings struct {
	host       sessioncleanup.Schema // tables with their schemas
	zone       string
	added      []object
	backfilled bool
	complete   int // the adoption that was finished; 0 while the first is under way
}

// ready gives the layout of the adopted schema, from the database on first use. ErrNotInstalled when there is none.
func (s *Store) ready(ctx context.Context) (*layout, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.layout != nil {
		return s.layout, nil
	}
	l, set, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if set.complete < adoption {
		return nil, fmt.Errorf("%w: the last migration did not finish, or an older version made it; run migrate", sessioncleanup.ErrNotInstalled)
	}
	s.layout = l
	return l, nil
}

// forget has the layout read again on next use.
func (s *Store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.layout = nil
}

// failed maps an error of an operation and, when the database lacks something, has the layout read again.
func (s *Store) failed(doing string, err error) error {
	err = mapError(doing, err)
	if errors.Is(err, sessioncleanup.ErrNotInstalled) {
		s.forget()
	}
	return err
}

// load reads what was adopted, complete or not.
func (s *Store) load(ctx context.Context) (*layout, settings, error) {
	space, err := s.findSpace(ctx)
	if err != nil {
		return nil, settings{}, err
	}
	set, err := readSettings(ctx, s.pool, space)
	if err != nil {
		return nil, settings{}, err
	}
	if set.complete > adoption {
		return nil, set, fmt.Errorf("%w: upgrade this program", sessioncleanup.ErrNewerSchema)
	}
	l, err := readLayout(ctx, s.pool, set.host, set.zone)
	if errors.Is(err, errNoTable) {
		err = fmt.Errorf("%w: table %s is gone", sessioncleanup.ErrNotInstalled, set.host.Table)
	}
	return l, set, err
}

// findSpace gives the database schema that holds the library's tables: that of the configured table, or else the
// first on the search path, or the only one there is.
func (s *Store) findSpace(ctx context.Context) (string, error) {
	if s.cfg.Schema.Table != "" {
		r, err := mustFind(ctx, s.pool, "schema.table", s.cfg.Schema.Table)
		if err == nil {
			return r.space, nil
		}
		if !isOwn(s.cfg.Schema) {
			return "", err
		}
	}
	rows, err := s.pool.Query(ctx, `
		SELECT n.nspname, pg_catalog.pg_table_is_visible(c.oid)
		  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		 WHERE c.relname = 'sessioncleanup_settings' AND c.relkind = 'r'
		 ORDER BY 2 DESC, 1`)
	if err != nil {
		return "", mapError("look for the library's tables", err)
	}
	type space struct {
		Name    string
		Visible bool
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[space])
	switch {
	case err != nil:
		return "", mapError("look for the library's tables", err)
	case len(found) == 0:
		return "", fmt.Errorf("%w; run migrate", sessioncleanup.ErrNotInstalled)
	case len(found) > 1 && !found[0].Visible:
		return "", fmt.Errorf("%w: schemas %s and %s both hold adopted sessions; say which table is meant", sessioncleanup.ErrInvalid, found[0].Name, found[1].Name)
	}
	return found[0].Name, nil
}

// readSettings reads the settings in a schema. ErrNotInstalled when there are none.
func readSettings(ctx context.Context, q querier, space string) (settings, error) {
	var set settings
	var host, added []byte
	table := sqlfile.Column(space) + ".sessioncleanup_settings"
	err := q.QueryRow(ctx, "SELECT host, zone, added, backfilled, complete FROM "+table).Scan(&host, &set.zone, &added, &set.backfilled, &set.complete)
	if errors.Is(err, pgx.ErrNoRows) {
		return set, fmt.Errorf("%w; run migrate", sessioncleanup.ErrNotInstalled)
	}
	if err != nil {
		return set, mapError("read the settings", err)
	}
	if err := errors.Join(json.Unmarshal(host, &set.host), json.Unmarshal(added, &set.added)); err != nil {
		return set, fmt.Errorf("read the settings in %s: %w", table, err)
	}
	return set, nil
}

// isOwn reports whether a schema describes the table that Migrate creates, under whatever name.
func isOwn(h sessioncleanup.Schema) bool {
	own := sessioncleanup.OwnSchema()
	h = h.WithDefaults()
	return h.ID == own.ID && h.Owner == own.Owner && h.Name == own.Name && h.Code == own.Code &&
		h.CreatedAt == own.CreatedAt && h.UpdatedAt == own.UpdatedAt && h.Owners == nil && len(h.Sources) == 0
}
