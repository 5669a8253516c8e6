package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// trackName is the name of the function that follows an activity source on an event.
func trackName(s source, event string) string {
	return short("sessioncleanup_track", event, s.space, s.name, s.Session)
}

// reactivate is the policy's switch as SQL.
func (p *plan) reactivate() string { return fmt.Sprint(p.policy.ReactivateOnActivity.Or(false)) }

func (p *plan) trackNames(s source, event string) sqlfile.Names {
	n := sqlfile.Names{
		"track": sqlfile.Column(trackName(s, event)), "session": sqlfile.Column(s.Session), "source": s.sql(), "guard": "",
		"interval": fmt.Sprintf("'%d microseconds'", p.policy.TouchInterval.Microseconds()), "reactivate": p.reactivate(),
		"volatility": "STABLE",
	}
	n["fresh"] = p.l.statement("track_fresh", n)
	if p.policy.ReactivateOnActivity.Or(false) || !s.referenced {
		// It must see what was deactivated during a long statement, or lock a table: neither can be in a snapshot that is
		// older. In a new one, a session that is not found is none.
		n["volatility"], n["stale"] = "VOLATILE", p.l.statement("track_stale", n)
	} else {
		n["stale"] = p.l.statement("track_stale_or_unseen", n)
	}
	n["touched"] = p.l.statement("touched_by_"+event, n)
	n["rows"] = n["touched"]
	if event == "insert" {
		n["rows"] = p.l.statement("rows_of_insert", n) // the look stops at the first one that is stale
	}
	if !s.referenced {
		n["guard"] = p.l.statement("track_guard", n)
	}
	return n
}

// trackedEvents are those on which a source has a trigger.
var trackedEvents = []string{"insert", "update"}

// branch is a table that rows of an activity source are written to: the source, or one of its partitions. A
// statement on a partition fires the partition's own triggers only.
type branch struct {
	OID   uint32
	Space string
	Name  string
}

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

// addTriggers puts the triggers on the activity sources and takes them from tables that are none any more.
func (p *plan) addTriggers(ctx context.Context) error {
	var wanted []object
	for _, src := range p.l.sources {
		tables, err := branches(ctx, p.q, src.oid)
		if err != nil {
			return mapError("look for partitions of "+src.path(), err)
		}
		for _, b := range tables {
			s := step{about: fmt.Sprintf("follow the activity in %s.%s", b.Space, b.Name)}
			for _, event := range trackedEvents {
				table := relation{space: b.Space, name: b.Name}.sql()
				o := object{Kind: "trigger", Table: table, Name: short("sessioncleanup", event, src.Session)}
				wanted = append(wanted, o)
				there, err := p.hasTrigger(ctx, b.OID, o.Name)
				if err != nil {
					return err
				}
				if there && p.has(o) {
					continue
				}
				names := p.trackNames(src, event)
				names["trigger"], names["source"] = sqlfile.Column(o.Name), table
				s.sql = append(s.sql, p.l.statement("track_"+event, names))
				s.adds = append(s.adds, o)
			}
			if len(s.sql) > 0 {
				p.add(s)
			}
		}
	}
	for _, o := range p.set.added {
		if o.Kind == "trigger" && !slices.Contains(wanted, o) {
			p.add(step{about: "no longer follow the activity in " + o.Table, drops: []object{o}, sql: []string{dropTrigger(o)}})
		}
	}
	return nil
}

func (p *plan) hasTrigger(ctx context.Context, table uint32, name string) (bool, error) {
	var there bool
	err := p.q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = $1::oid AND t.tgname = $2::text)", table, name).Scan(&there)
	return there, mapError("look for triggers", err)
}

// dropTrigger drops a trigger, also when its table is gone already.
func dropTrigger(o object) string {
	return fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s;", sqlfile.Column(o.Name), o.Table)
}
