package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

// Names that columns go by, the likeliest first.
var (
	nameColumns     = []string{"name", "title", "label", "display_name"}
	codeColumns     = []string{"code", "slug", "access_code", "join_code", "short_code"}
	createdColumns  = []string{"created_at", "created", "createdAt", "inserted_at", "created_on", "timestamp"}
	updatedColumns  = []string{"updated_at", "updated", "updatedAt", "modified_at", "updated_on"}
	activeColumns   = []string{"active", "is_active", "isActive", "enabled"}
	usedColumns     = []string{"last_activity", "last_activity_at", "lastActivity", "last_active_at", "last_seen_at", "last_used_at"}
	expiresColumns  = []string{"expires_at", "expiresAt", "expires", "expire_at", "valid_until"}
	cleanupColumns  = []string{"auto_cleanup", "autoCleanup"}
	personColumns   = []string{"display_name", "username", "user_name", "name", "full_name", "login", "nickname", "handle", "title"}
	ownerColumns    = []string{"owner_id", "streamer_id", "host_id", "user_id", "account_id", "created_by"}
	wholeNumberBase = []string{"int2", "int4", "int8", "uuid", "text", "varchar", "bpchar"}
)

// Inspect proposes a schema for the configured table or, without one, for the table named sessions that the search
// path finds, or the only one there is. Its foreign keys tell the owners; foreign keys that point at it tell the
// activity sources.
func (s *Store) Inspect(ctx context.Context) (sessioncleanup.Schema, error) {
	if err := s.ping(ctx); err != nil {
		return sessioncleanup.Schema{}, err
	}
	name := s.cfg.Schema.Table
	if name == "" {
		var err error
		if name, err = s.findSessions(ctx); err != nil || name == "" {
			return sessioncleanup.OwnSchema(), err
		}
	}
	table, err := mustFind(ctx, s.pool, "schema.table", name)
	if err != nil {
		return sessioncleanup.Schema{}, err
	}
	h := sessioncleanup.Schema{Table: name}
	if h.ID, err = s.primaryKey(ctx, table); err != nil {
		return h, err
	}
	h.Name, h.Code = table.pick(nameColumns, "text", "varchar", "bpchar", "citext"), table.pick(codeColumns, wholeNumberBase...)
	h.CreatedAt, h.UpdatedAt = table.pick(createdColumns, "timestamptz", "timestamp", "date"), table.pick(updatedColumns, "timestamptz", "timestamp", "date")
	h.Active, h.AutoCleanup = table.pick(activeColumns, "bool"), table.pick(cleanupColumns, "bool")
	h.LastActivity, h.ExpiresAt = table.pick(usedColumns, "timestamptz", "timestamp"), table.pick(expiresColumns, "timestamptz", "timestamp")
	if err := s.inspectOwner(ctx, table, &h); err != nil {
		return h, err
	}
	if err := s.inspectSources(ctx, table, &h); err != nil {
		return h, err
	}
	h = h.WithDefaults()
	return h, h.Validate()
}

// findSessions gives the name of the table of sessions, empty when there is none.
func (s *Store) findSessions(ctx context.Context) (string, error) {
	r, err := findRelation(ctx, s.pool, "sessions")
	if err == nil {
		return r.name, nil
	}
	if !errors.Is(err, errNoRelation) {
		return "", mapError("look for a table of sessions", err)
	}
	rows, err := s.pool.Query(ctx, `
		SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		 WHERE c.relname = 'sessions' AND c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'`)
	if err != nil {
		return "", mapError("look for a table of sessions", err)
	}
	spaces, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(spaces) != 1 {
		return "", mapError("look for a table of sessions", err)
	}
	return spaces[0] + ".sessions", nil
}

// pick gives the first of the names that the table has with a type that fits.
func (r relation) pick(names []string, bases ...string) string {
	for _, name := range names {
		if c, ok := r.columns[name]; ok && slices.Contains(bases, c.base) {
			return name
		}
	}
	return ""
}

// primaryKey gives the column of the primary key. Of several, as partitioned tables have them, it takes "id" or the first.
func (s *Store) primaryKey(ctx context.Context, r relation) (string, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT a.attname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
		 WHERE i.indrelid = $1::oid AND i.indisprimary ORDER BY array_position(i.indkey::int2[], a.attnum)`, r.oid)
	if err != nil {
		return "", mapError("look for the primary key", err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", mapError("look for the primary key", err)
	}
	if len(columns) == 0 || slices.Contains(columns, "id") {
		return "id", nil
	}
	return columns[0], nil
}

// key is a foreign key of one column.
type key struct {
	Column string
	Space  string
	Table  string
	Target string // the column at the other end
}

const foreignKeys = `
	SELECT a.attname, n.nspname, c.relname, b.attname
	  FROM pg_catalog.pg_constraint f
	  JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
	  JOIN pg_catalog.pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = f.confkey[1]
	  JOIN pg_catalog.pg_class c ON c.oid = CASE WHEN f.conrelid = $1::oid THEN f.confrelid ELSE f.conrelid END
	  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	 WHERE f.contype = 'f' AND cardinality(f.conkey) = 1 AND f.conparentid = 0 AND f.conrelid <> f.confrelid`

// inspectOwner takes the foreign key whose table has a column that can be a person's name.
func (s *Store) inspectOwner(ctx context.Context, table relation, h *sessioncleanup.Schema) error {
	rows, err := s.pool.Query(ctx, foreignKeys+" AND f.conrelid = $1::oid ORDER BY a.attnum", table.oid)
	if err != nil {
		return mapError("look for the owner", err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[key])
	if err != nil {
		return mapError("look for the owner", err)
	}
	slices.SortStableFunc(keys, func(a, b key) int { return rank(ownerColumns, a.Column) - rank(ownerColumns, b.Column) })
	for _, k := range keys {
		owners, err := findRelation(ctx, s.pool, k.Space+"."+k.Table)
		if err != nil {
			return mapError("look for the owner", err)
		}
		if name := owners.pick(personColumns, "text", "varchar", "bpchar", "citext"); name != "" {
			plain, err := s.plainName(ctx, owners)
			h.Owner, h.Owners = k.Column, &sessioncleanup.Owners{Table: plain, ID: k.Target, Name: name}
			return err
		}
	}
	h.Owner = table.pick(ownerColumns, wholeNumberBase...)
	return nil
}

func rank(names []string, name string) int {
	if i := slices.Index(names, name); i >= 0 {
		return i
	}
	return len(names)
}

// inspectSources takes the tables whose foreign keys point at the sessions.
func (s *Store) inspectSources(ctx context.Context, table relation, h *sessioncleanup.Schema) error {
	rows, err := s.pool.Query(ctx, foreignKeys+" AND f.confrelid = $1::oid AND b.attname = $2::text ORDER BY n.nspname, c.relname, a.attnum", table.oid, h.ID)
	if err != nil {
		return mapError("look for activity sources", err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[key])
	if err != nil {
		return mapError("look for activity sources", err)
	}
	for _, k := range keys {
		child, err := findRelation(ctx, s.pool, k.Space+"."+k.Table)
		if err != nil {
			return mapError("look for activity sources", err)
		}
		plain, err := s.plainName(ctx, child)
		if err != nil {
			return err
		}
		h.Sources = append(h.Sources, sessioncleanup.Source{Table: plain, Session: k.Column, At: child.pick(createdColumns, "timestamptz", "timestamp", "date")})
	}
	return nil
}
