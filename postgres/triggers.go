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

func (p *plan) trackNames(s source) sqlfile.Names {
	return sqlfile.Names{
		"function": trackName(s), "track": sqlfile.Column(trackName(s)), "session": sqlfile.Column(s.Session),
		"track_table": literal(s.sql()), "track_owner": literal(s.owner),
	}
}

// branch is a table that rows of an activity table are written to: the table itself, one of its partitions, or one that
// inherits from it and has the same owner. A statement on one of these fires its own triggers only.
type branch struct {
	OID   uint32
	Space string
	Name  string
}

func (b branch) sql() string { return relation{space: b.Space, name: b.Name}.sql() }

func branches(ctx context.Context, q *guarded, oid uint32) ([]branch, error) {
	rows, err := q.Query(ctx, `
		WITH RECURSIVE tree (oid, level) AS (
		    SELECT $1::oid, 0 UNION SELECT i.inhrelid, t.level + 1 FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
		)
		SELECT c.oid, n.nspname, c.relname
		  FROM (SELECT tree.oid, min(tree.level) AS level FROM tree GROUP BY tree.oid) t
		  JOIN pg_catalog.pg_class c ON c.oid = t.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		 WHERE c.relkind IN ('r', 'p') AND (c.relispartition OR c.relowner = (SELECT r.relowner FROM pg_catalog.pg_class r WHERE r.oid = $1::oid))
		 ORDER BY t.level, n.nspname, c.relname`, oid)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[branch])
}

// observeTrigger is the trigger on the table of sessions. Its name sorts last, so that it sees what the application's own
// triggers make of a row.
const observeTrigger = "~sessioncleanup_observe"

// addTriggers puts the triggers on the table of touches and on the activity tables, and drops those on tables that are no
// longer activity tables.
func (p *plan) addTriggers(ctx context.Context) error {
	wanted := []object{
		{Kind: "trigger", Space: p.m.space, Table: "sessioncleanup_touches", Name: "sessioncleanup_commit"},
		{Kind: "trigger", Space: p.m.table.space, Table: p.m.table.name, Name: observeTrigger},
		{Kind: "trigger", Space: p.m.table.space, Table: p.m.table.name, Name: "sessioncleanup_untag"},
	}
	for _, event := range []string{"insert", "update", "delete"} {
		wanted = append(wanted, object{Kind: "trigger", Space: p.m.space, Table: "sessioncleanup_tags", Name: "sessioncleanup_retagged_" + event})
	}
	for i, statement := range []string{"commit_trigger", "observe_trigger", "untag_trigger", "retagged_insert", "retagged_update", "retagged_delete"} {
		if err := p.addTrigger(ctx, wanted[i], statement, nil); err != nil {
			return err
		}
	}
	triggered := true
	if o := p.m.tagTrigger(); len(p.m.schema.TagColumns) > 0 {
		wanted = append(wanted, o)
		before := len(p.steps)
		if err := p.addTrigger(ctx, o, "tag_columns_trigger", nil); err != nil {
			return err
		}
		triggered = len(p.steps) == before
	}
	p.planTags(triggered)
	for _, src := range p.m.sources {
		tables, err := branches(ctx, p.q, src.oid)
		if err != nil {
			return mapError("look for partitions of "+src.path(), err)
		}
		for _, b := range tables {
			if b.OID != src.oid && slices.ContainsFunc(p.m.sources, func(s source) bool { return s.oid == b.OID && s.Session == src.Session }) {
				continue // it inherits, and is followed by itself
			}
			for _, event := range []string{"insert", "update"} {
				o := object{Kind: "trigger", Space: b.Space, Table: b.Name, Name: short(p.m.label(), event, src.Session)}
				wanted = append(wanted, o)
				if err := p.addTrigger(ctx, o, "track_"+event, p.trackNames(src)); err != nil {
					return err
				}
			}
		}
	}
	for _, o := range p.set.added {
		if o.Kind == "trigger" && !slices.Contains(wanted, o) {
			p.add(step{about: "drop the trigger " + o.Name + " on " + o.Space + "." + o.Table, drops: []object{o}, sql: []string{dropTrigger(o)}})
		}
	}
	return nil
}

// addTrigger adds a trigger unless it exists and runs the right function.
func (p *plan) addTrigger(ctx context.Context, o object, statement string, names sqlfile.Names) error {
	function := map[string]string{
		"commit_trigger": "sessioncleanup_commit_touches", "observe_trigger": "sessioncleanup_observe", "untag_trigger": "sessioncleanup_untag",
		"retagged_insert": "sessioncleanup_retagged", "retagged_update": "sessioncleanup_retagged", "retagged_delete": "sessioncleanup_retagged",
		"tag_columns_trigger": "sessioncleanup_tag_columns",
	}[statement]
	if function == "" {
		function = names["function"]
	}
	var there bool
	err := p.q.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
		                CROSS JOIN (SELECT $4::text AS space, $5::text AS "table", $2::text AS name) o
		                WHERE t.tgrelid = to_regclass($1::text) AND t.tgname = $2::text AND f.proname = $3::text AND `+p.m.statement("trigger_wrong")+` IS NULL)`,
		o.on(), o.Name, function, o.Space, o.Table).Scan(&there)
	if err == nil && (!there || !p.has(o)) {
		p.add(step{about: fmt.Sprintf("create the trigger %s on %s.%s", o.Name, o.Space, o.Table), adds: []object{o},
			sql: []string{dropTrigger(o), p.m.statement(statement, names, sqlfile.Names{"trigger": sqlfile.Column(o.Name), "source": o.on()})}})
	}
	return mapError("look for triggers", err)
}
