package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// trackName is the name of the function that tracks an activity table.
func trackName(s source) string { return short("sessioncleanup_track", s.space, s.name, s.Session) }

func trackNames(s source) sqlfile.Names {
	return sqlfile.Names{"track": sqlfile.Column(trackName(s)), "session": sqlfile.Column(s.Session)}
}

// branch is a table that rows of an activity table are written to: the table itself, or one of its partitions. A statement
// on a partition fires the partition's own triggers only.
type branch struct {
	OID   uint32
	Space string
	Name  string
}

func (b branch) sql() string { return relation{space: b.Space, name: b.Name}.sql() }

func branches(ctx context.Context, q querier, oid uint32) ([]branch, error) {
	rows, err := q.Query(ctx, `
		SELECT c.oid, n.nspname, c.relname
		  FROM (SELECT $1::oid::regclass AS relid, 0 AS level
		         UNION SELECT t.relid, t.level FROM pg_catalog.pg_partition_tree($1::oid::regclass) t) t
		  JOIN pg_catalog.pg_class c ON c.oid = t.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		 WHERE c.relkind IN ('r', 'p') ORDER BY t.level, n.nspname, c.relname`, oid)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[branch])
}

// addTriggers puts the triggers on the table of touches and on the activity tables, and drops those on tables that are no
// longer activity tables.
func (p *plan) addTriggers(ctx context.Context) error {
	wanted := []object{{Kind: "trigger", Table: p.m.names["touches"], Name: "sessioncleanup_commit"}}
	if err := p.addTrigger(ctx, wanted[0], "commit_trigger", nil); err != nil {
		return err
	}
	for _, src := range p.m.sources {
		tables, err := branches(ctx, p.q, src.oid)
		if err != nil {
			return mapError("look for partitions of "+src.path(), err)
		}
		for _, b := range tables {
			for _, event := range []string{"insert", "update"} {
				o := object{Kind: "trigger", Table: b.sql(), Name: short("sessioncleanup", event, src.Session)}
				wanted = append(wanted, o)
				if err := p.addTrigger(ctx, o, "track_"+event, trackNames(src)); err != nil {
					return err
				}
			}
		}
	}
	for _, o := range p.set.added {
		if o.Kind == "trigger" && !slices.Contains(wanted, o) {
			p.add(step{about: "no longer track activity in " + o.Table, drops: []object{o}, sql: []string{dropTrigger(o)}})
		}
	}
	return nil
}

// addTrigger adds a trigger unless it exists.
func (p *plan) addTrigger(ctx context.Context, o object, statement string, names sqlfile.Names) error {
	var there bool
	err := p.q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = to_regclass($1::text) AND t.tgname = $2::text)",
		o.Table, o.Name).Scan(&there)
	if err == nil && (!there || !p.has(o)) {
		p.add(step{about: fmt.Sprintf("create the trigger %s on %s", o.Name, o.Table), adds: []object{o},
			sql: []string{p.m.statement(statement, names, sqlfile.Names{"trigger": sqlfile.Column(o.Name), "source": o.Table})}})
	}
	return mapError("look for triggers", err)
}

// dropTrigger drops a trigger, also when its table is gone already.
func dropTrigger(o object) string {
	return fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s;", sqlfile.Column(o.Name), o.Table)
}
