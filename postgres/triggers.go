package postgres

import (
	"context"
	"encoding/json"
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

// trigger is one that Migrate makes.
type trigger struct {
	object
	Function  string        `json:"function"`
	statement string        // that creates it
	names     sqlfile.Names // for its placeholders
	gap       *gap          // what goes unnoticed while it is missing; see catchup.go
}

// addTriggers puts the triggers on the table of touches and on the activity tables, and drops those on tables that are no
// longer activity tables.
func (p *plan) addTriggers(ctx context.Context) error {
	all, err := p.triggers(ctx)
	if err != nil {
		return err
	}
	there, err := p.existing(ctx, all)
	if err != nil {
		return err
	}
	var wanted []object
	for _, t := range all {
		wanted = append(wanted, t.object)
		if !slices.Contains(there, t.object) || !p.has(t.object) {
			sql := []string{dropTrigger(t.object), p.m.statement(t.statement, t.names, sqlfile.Names{"trigger": sqlfile.Column(t.Name), "source": t.on()})}
			if t.gap != nil && p.adopted() && !slices.Contains(there, t.object) {
				p.gaps = append(p.gaps, t.gap)
				if t.Name == observeTrigger {
					sql = p.restored(sql...)
				} else {
					sql = append(sql, p.m.statement("settings_unfilled"))
				}
			}
			p.add(step{about: fmt.Sprintf("create the trigger %s on %s.%s", t.Name, t.Space, t.Table), adds: []object{t.object}, sql: sql})
		}
	}
	o := p.m.tagTrigger()
	p.planTags(len(p.m.schema.TagColumns) == 0 || slices.Contains(there, o) && p.has(o))
	for _, o := range p.set.added {
		if o.Kind == "trigger" && !slices.Contains(wanted, o) {
			p.add(step{about: "drop the trigger " + o.Name + " on " + o.Space + "." + o.Table, drops: []object{o}, sql: []string{dropTrigger(o)}})
		}
	}
	return nil
}

// triggers lists those that there should be.
func (p *plan) triggers(ctx context.Context) (all []trigger, err error) {
	var hole *gap
	add := func(o object, function, statement string, names sqlfile.Names) {
		o.Kind = "trigger"
		all = append(all, trigger{o, function, statement, names, hole})
	}
	space, table := p.m.table.space, p.m.table.name
	add(object{Space: p.m.space, Table: "sessioncleanup_touches", Name: "sessioncleanup_commit"}, "sessioncleanup_commit_touches", "commit_trigger", nil)
	hole = &gap{}
	add(object{Space: space, Table: table, Name: observeTrigger}, "sessioncleanup_observe", "observe_trigger", nil)
	hole = nil
	add(object{Space: space, Table: table, Name: "sessioncleanup_untag"}, "sessioncleanup_untag", "untag_trigger", nil)
	for _, event := range []string{"insert", "update", "delete"} {
		add(object{Space: p.m.space, Table: "sessioncleanup_tags", Name: "sessioncleanup_retagged_" + event}, "sessioncleanup_retagged", "retagged_"+event, nil)
	}
	if len(p.m.schema.TagColumns) > 0 {
		add(p.m.tagTrigger(), "sessioncleanup_tag_columns", "tag_columns_trigger", nil)
	}
	for _, src := range p.m.sources {
		tables, err := branches(ctx, p.q, src.oid)
		if err != nil {
			return nil, mapError("look for partitions of "+src.path(), err)
		}
		for _, b := range tables {
			if b.OID != src.oid && slices.ContainsFunc(p.m.sources, func(s source) bool { return s.oid == b.OID && s.Session == src.Session }) {
				continue // it inherits, and is followed by itself
			}
			hole = &gap{source: src, table: b.sql(), fresh: !p.has(object{Kind: "trigger", Space: src.space, Table: src.name, Name: short(p.m.label(), "insert", src.Session)})}
			for _, event := range []string{"insert", "update"} {
				add(object{Space: b.Space, Table: b.Name, Name: short(p.m.label(), event, src.Session)}, trackName(src), "track_"+event, p.trackNames(src))
			}
		}
	}
	return all, nil
}

// existing returns those of the triggers that exist, run the right function and are enabled.
func (p *plan) existing(ctx context.Context, all []trigger) ([]object, error) {
	data, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	return allRows(ctx, p.q, "look for triggers", pgx.RowToStructByPos[object], `
		SELECT 'trigger', o.space, o."table", o.name
		  FROM jsonb_to_recordset($1::text::jsonb) AS o (space text, "table" text, name text, function text)
		  JOIN pg_catalog.pg_trigger t ON t.tgrelid = to_regclass(format('%I.%I', o.space, o."table")) AND t.tgname = o.name
		  JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid AND f.proname = o.function
		 WHERE `+p.m.statement("trigger_wrong")+` IS NULL`, string(data))
}
