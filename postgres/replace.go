package postgres

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// conflict is something of the application's that stands where Migrate makes something, or does the same work.
type conflict struct {
	Kind  string
	OID   uint32
	Words string
	Drop  string
	Make  []string
	Needs []need
}

// need is what must exist to make a conflict again: a column of a table, a table, a function or a role, quoted.
type need struct {
	Table    string `json:"table,omitempty"`
	Column   string `json:"column,omitempty"` // not quoted
	Function string `json:"function,omitempty"`
	Role     string `json:"role,omitempty"`
}

// replaced is a conflict that Migrate took over, for Uninstall to make again.
type replaced struct {
	What  string   `json:"what"`
	SQL   []string `json:"sql"`
	Needs []need   `json:"needs,omitempty"`
}

// conflicts lists them, in the order in which they can be dropped.
func conflicts(ctx context.Context, q *guarded, m *mapping) ([]conflict, error) {
	names := append(functions(), "sessioncleanup_keep", "sessioncleanup_view")
	tables := []uint32{m.table.oid}
	for _, src := range m.sources {
		names = append(names, trackName(src))
		tables = append(tables, src.oid)
	}
	var some bool
	if err := q.QueryRow(ctx, statements["may_conflict"], m.space, names, tables).Scan(&some); err != nil || !some {
		return nil, mapError("look for an earlier installation", err)
	}
	sessions := `update\s+(only\s+)?("?\w+"?\.)?"?` + regexp.QuoteMeta(m.table.name) + `\M`
	return allRows(ctx, q, "look for an earlier installation", pgx.RowToStructByPos[conflict],
		statements["conflicts"], m.space, names, tables, sessions, `\m`+regexp.QuoteMeta(m.schema.LastActivity)+`\M`)
}

// takeOver refuses to migrate where the application has something of the same name, naming all of it, or takes it over.
func (p *plan) takeOver(ctx context.Context) error {
	found, err := conflicts(ctx, p.q, p.m)
	if err != nil || len(found) == 0 {
		return err
	}
	var words []string
	blocked := false
	take := step{}
	var kept []replaced
	var dropped []uint32
	for _, c := range found {
		words = append(words, c.Words)
		blocked = blocked || c.Kind != "trigger"
		take.sql = append(take.sql, c.Drop)
		if c.Kind != "trigger" {
			dropped = append(dropped, c.OID)
		}
		kept = append([]replaced{{c.Words, c.Make, c.Needs}}, kept...)
		if c.Kind == "relation" {
			return invalid.Databasef("schema %s has a table or the like with the name of a view of this library, %s: rename it, then migrate", p.m.space, c.Words)
		}
	}
	all := strings.Join(words, ", ")
	switch {
	case p.opts.Replace:
	case blocked:
		return invalid.Databasef("schema %s already has what an earlier installation made and this library makes itself: %s; "+
			"migrate with --replace to take over: uninstall restores them; or drop or rename them", p.m.space, all)
	default:
		p.warn("the application writes %s by itself: %s; statements wait for that; migrate with --replace to leave it to this library, until uninstall restores it",
			p.m.schema.LastActivity, all)
		return nil
	}
	if err := refuseBlocked(ctx, p.q, "migrate --replace", nil, dropped, ""); err != nil {
		return err
	}
	data, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	take.about = "take over from an earlier installation, for uninstall to restore: " + all
	take.sql = append(take.sql, p.m.statement("settings_replaced", sqlfile.Names{"replaced_json": literal(string(data))}))
	p.add(take)
	return nil
}

// checkRestorable fails, before Uninstall removes anything, when what Migrate took over cannot be made again.
func (s *Store) checkRestorable(ctx context.Context, kept []replaced) error {
	needs := []need{}
	for _, r := range kept {
		needs = append(needs, r.Needs...)
	}
	data, err := json.Marshal(needs)
	if err != nil {
		return err
	}
	lost, err := allRows(ctx, s.pool, "look for what an earlier installation needs", pgx.RowTo[string], statements["lost_needs"], string(data))
	if err != nil {
		return err
	}
	if len(lost) > 0 {
		return invalid.Databasef("nothing was changed: uninstall cannot restore what migrate --replace replaced, because it needs objects that are gone or renamed: %s; "+
			"rename it back until uninstall is done", strings.Join(lost, ", "))
	}
	return nil
}

// restore makes again what Migrate took over.
func (s *Store) restore(ctx context.Context, m *mapping, kept []replaced) error {
	if len(kept) == 0 {
		return nil
	}
	st := step{sql: []string{"SET LOCAL check_function_bodies = off;"}}
	for _, r := range kept {
		st.sql = append(st.sql, r.SQL...)
	}
	st.sql = append(st.sql, "UPDATE "+m.names["settings"]+" SET replaced = '[]';")
	return s.runStep(ctx, m, st)
}
