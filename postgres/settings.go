package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// adoption is the version of what Migrate adds to the application's tables. It rises when that changes.
const adoption = 1

// mappingKeep is for how long runs rely on what they read of the tables.
const mappingKeep = time.Minute

// settings is what the database remembers of an adoption.
type settings struct {
	schema     sessioncleanup.Schema // tables with their database schemas
	zone       string
	added      []object
	backfilled bool
	complete   int // the adoption that was finished; 0 while the first is in progress
	untracked  bool
	accepted   bool // MigrateOptions.Untracked, once given
	replaced   []replaced
	places     places
	space      string // the database schema of the library's tables
}

// ready returns the mapping of the adopted schema, from the database on first use. ErrNotInstalled when there is none.
func (s *Store) ready(ctx context.Context) (*mapping, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mapping != nil {
		return s.mapping, nil
	}
	m, set, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if set.complete < adoption {
		return nil, fmt.Errorf("%w: the last migration did not finish, or an older version made it; run migrate", sessioncleanup.ErrNotInstalled)
	}
	if err := s.checkRowSecurity(ctx, m); err != nil {
		return nil, err
	}
	s.mapping, s.loaded = m, time.Now()
	return m, nil
}

// readyToRun is ready for a phase of a run: the application may have altered its tables since the mapping was read.
func (s *Store) readyToRun(ctx context.Context) (*mapping, error) {
	s.mu.Lock()
	if time.Since(s.loaded) > mappingKeep {
		s.mapping = nil
	}
	s.mu.Unlock()
	return s.ready(ctx)
}

// forget has the mapping read again on next use.
func (s *Store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mapping = nil
}

// failed maps an error of an operation and, when the database lacks something, has the mapping read again.
func (s *Store) failed(doing string, err error) error {
	if hasCode(err, codeReadOnly) { // new connections may find the server that writes
		s.pool.pool.Reset()
	}
	err = mapError(doing, err)
	if errors.Is(err, sessioncleanup.ErrNotInstalled) {
		s.forget()
	}
	return err
}

// load reads what was adopted, complete or not.
func (s *Store) load(ctx context.Context) (*mapping, settings, error) {
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
	m, err := readMapping(ctx, s.pool, set.schema, set)
	if err == nil {
		err = s.act(ctx, m, false)
	}
	if errors.Is(err, errNoTable) {
		err = fmt.Errorf("%w: table %s is gone; run migrate", sessioncleanup.ErrNotInstalled, set.schema.Table)
	} else if errors.Is(err, sessioncleanup.ErrInvalid) && !errors.Is(err, errUntrusted) {
		err = fmt.Errorf("%w: the adopted tables changed: %w; run migrate", sessioncleanup.ErrNotInstalled, err)
	}
	return m, set, err
}

// findSpace finds the database schema that holds the library's tables: that of the configured table, or else that whose
// settings know the configured table, or else the first on the search path, or the only one there is. Tables that are not
// to be trusted are passed over; see trust.go.
func (s *Store) findSpace(ctx context.Context) (string, error) {
	var table relation
	if s.cfg.Schema.Table != "" {
		var err error
		table, err = findRelation(ctx, s.pool, s.cfg.Schema.Table)
		if err != nil && !errors.Is(err, errNoRelation) {
			return "", mapError("look up "+s.cfg.Schema.Table, err)
		}
		if err != nil && !isOwn(s.cfg.Schema) && !names(s.cfg.Schema) {
			return "", noSuchTable("schema.table", s.cfg.Schema.Table)
		}
	}
	found, passed, err := trusted(ctx, s.pool, table.oid)
	if err != nil {
		return "", err
	}
	found = called(found, s.cfg.Name, table.space)
	if table.oid != 0 && s.cfg.Name == "" {
		for _, l := range found {
			if l.Space == table.space {
				return l.Space, nil
			}
		}
		for _, l := range found { // the application moved its table
			set, err := readSettings(ctx, s.pool, l.Space)
			if err == nil && set.places.Table.OID == table.oid {
				return l.Space, nil
			}
		}
		return "", fmt.Errorf("%w; run migrate", sessioncleanup.ErrNotInstalled)
	}
	switch {
	case len(found) == 0:
		return "", notFound(called(passed, s.cfg.Name, table.space))
	case len(found) > 1 && !found[0].Visible:
		return "", invalid.Errorf("schemas %s and %s both hold adopted sessions: want Config.Schema to name the table", found[0].Space, found[1].Space)
	}
	return found[0].Space, nil
}

// readSettings reads the settings in a database schema. ErrNotInstalled when there are none.
func readSettings(ctx context.Context, q *guarded, space string) (settings, error) {
	set := settings{space: space}
	var schema, added, kept, where []byte
	table := sqlfile.Column(space) + ".sessioncleanup_settings"
	sql, err := statements.Fill("settings_read", sqlfile.Names{"settings": table})
	if err != nil {
		panic(err) // a mistake in the .sql files
	}
	read := func(q *guarded) error {
		return q.QueryRow(ctx, sql).Scan(&schema, &set.zone, &added, &set.backfilled, &set.complete, &set.untracked, &set.accepted, &kept, &where)
	}
	if err = read(q); hasCode(err, codeNoPrivilege) { // they belong to an earlier owner of the sessions, whose rights the connection may have
		err = read(q.own())
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return set, fmt.Errorf("%w; run migrate", sessioncleanup.ErrNotInstalled)
	}
	if err != nil {
		err = mapError("read the settings", err)
		if owner, unknown := q.ownerOf(ctx, table); hasCode(err, codeNoPrivilege) && unknown == nil {
			err = fmt.Errorf("%w; they belong to %s, and a superuser gives them to a new owner of the sessions with migrate --trust-owner", err, owner)
		}
		return set, err
	}
	if err := errors.Join(json.Unmarshal(schema, &set.schema), json.Unmarshal(added, &set.added), json.Unmarshal(kept, &set.replaced), json.Unmarshal(where, &set.places)); err != nil {
		return set, fmt.Errorf("read the settings in %s: %w", table, err)
	}
	return set, nil
}

// names reports whether a schema says no more than the name of the table that Migrate makes.
func names(schema sessioncleanup.Schema) bool {
	schema.AppTouches = false
	return reflect.DeepEqual(schema, sessioncleanup.Schema{Table: sessioncleanup.OwnSchema().Table})
}

// isOwn reports whether a schema describes the table that Migrate creates, under whatever name.
func isOwn(schema sessioncleanup.Schema) bool {
	own := sessioncleanup.OwnSchema()
	s := schema.WithDefaults()
	return s.ID == own.ID && s.Owner == own.Owner && s.Name == own.Name && s.Code == own.Code &&
		s.CreatedAt == own.CreatedAt && s.UpdatedAt == own.UpdatedAt && s.Owners == nil && len(s.Sources) == 0 &&
		s.State == nil && s.DeletedAt == "" && len(s.Only) == 0 && len(s.TagColumns) == 0
}
