package postgres

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

// The first chunk of a backfill, the largest, and how long one may take.
const (
	firstChunk  = 500
	mostChunk   = 4000
	chunkBudget = 25 * time.Millisecond
)

// calm is how long a backfill waits before it begins: each of the application's connections has to read the changed tables'
// definitions and to prepare the new triggers, and should not have to do so while all of the rows are read first.
const calm = 100 * time.Millisecond

// addBackfill sets the last activity of existing sessions, from their other columns and their activity, and marks those
// that are inactive already. Later it does so again with what no trigger noticed: see catchup.go.
func (p *plan) addBackfill(ctx context.Context) error {
	if p.create {
		p.add(step{about: "note that there is nothing to fill in", sql: []string{p.m.statement("settings_backfilled")}})
		return nil
	}
	if p.set.backfilled && len(p.gaps) == 0 && !p.rebuilt && !p.opts.Reread {
		return nil
	}
	if p.adopted() {
		return p.addFill(ctx, "fill in the activity that no trigger noticed")
	}
	if err := p.findRefilled(ctx); err != nil {
		return err
	}
	if tables := p.m.unread(); len(tables) > 0 {
		p.warn("the rows of tables of others than %s are followed from now on, but those that are there are not read (%s): sessions without a last activity count as used now",
			p.m.table.owner, strings.Join(tables, ", "))
	}
	return p.addFill(ctx, "fill in the last activity of old sessions")
}

// addFill adds the steps of a backfill, whose purpose is about.
func (p *plan) addFill(ctx context.Context, about string) error {
	fired, err := updateTriggers(ctx, p.q, p.m)
	if err != nil {
		return err
	}
	keep := p.keepTriggers()
	if fired.before {
		p.add(step{about: "keep the application's triggers on updates from changing sessions in the backfill", sql: keep.sql, adds: keep.adds})
	}
	fill := p.backfillNames()
	all := []string{p.backfillTable(), p.m.mark("false") + ";",
		p.m.statement("backfill_all", fill), "RESET " + p.m.label() + ".filling;", "RESET " + p.m.label() + ".writing;",
		"DROP TABLE " + p.m.names["backfill"] + ";", p.m.statement("settings_backfilled")}
	if len(fired.after) > 0 {
		about += "; these triggers run for each of them, unless a superuser migrates: " + strings.Join(fired.after, ", ")
	}
	p.add(step{about: about, fill: true, sql: all})
	if fired.before {
		p.add(step{about: "remove what kept them from it", sql: keep.removal, drops: keep.adds})
	}
	return nil
}

// keeping is what keeps the application's triggers from changing sessions in the backfill.
type keeping struct {
	sql, removal []string
	adds         []object
}

// mark has the library's triggers know its own writes, until the end of the transaction if they are local.
func (m *mapping) mark(local string) string {
	return fmt.Sprintf("SELECT set_config('%[1]s.filling', 'on', %[2]s), set_config('%[1]s.writing', 'on', %[2]s)", m.label(), local)
}

func (p *plan) keepTriggers() keeping {
	function := object{Kind: "function", Space: p.m.space, Name: "sessioncleanup_keep"}
	k := keeping{adds: []object{function}, sql: []string{
		p.m.statement(function.Name), markFunctions(p.m.space, function.Name), revokeExecute(p.m.space, function.Name),
	}}
	for _, name := range []string{"!sessioncleanup_keep", "~sessioncleanup_keep"} { // they sort first and last
		order := "last"
		if name[0] == '!' {
			order = "first"
		}
		o := object{Kind: "trigger", Space: p.m.table.space, Table: p.m.table.name, Name: name}
		k.adds = append(k.adds, o)
		k.sql = append(k.sql, dropTrigger(o), p.m.statement("keep_trigger", sqlfile.Names{"trigger": sqlfile.Column(name), "order": literal(order)}))
		k.removal = append(k.removal, dropTrigger(o))
	}
	k.removal = append(k.removal, dropFunctions(p.m.space, function.Name))
	return k
}

// backfillNames fills in the backfill. The moment refilled, when there is one, is no session's last activity.
func (p *plan) backfillNames() sqlfile.Names {
	n := sqlfile.Names{"refilled": literal(p.refilled), "backfill_refill": "false", "backfill_revived": "false", "backfill_patience": "interval '1 hour'"}
	parts := []string{"backfill_known", "backfill_refill", "backfill_unknown", "backfill_later", "backfill_lags", "backfill_undated", "backfill_needed", "backfill_set"}
	if p.adopted() {
		parts = p.catchUp(n)
	}
	for _, part := range parts {
		if part != "backfill_refill" || p.refilled != "" {
			n[part] = p.m.statement(part, n)
		}
	}
	return n
}

// findRefilled looks for a column of last activities that an earlier migration of the application filled with one moment.
func (p *plan) findRefilled(ctx context.Context) error {
	if _, ok := p.m.table.columns[p.m.schema.LastActivity]; !ok || p.m.schema.CreatedAt == "" && p.m.schema.UpdatedAt == "" {
		return nil
	}
	var at string
	var older int64
	err := p.q.QueryRow(ctx, p.m.statement("backfill_refilled")).Scan(&at, &older)
	if err != nil {
		return mapError("look at the last activities", ignoreNoRows(err))
	}
	column := p.m.table.path() + "." + p.m.schema.LastActivity
	if !p.opts.Replace {
		p.warn("most sessions have %s as their %s, also %d that were last updated before: an earlier migration seems to have filled it in; "+
			"migrate with --replace to take the newest time that is known of each instead", at, column, older)
		return nil
	}
	p.refilled = at
	p.note("%s is %s for most sessions, which an earlier migration filled in: the newest time that is known of each takes its place, for at least %d sessions",
		column, at, older)
	return nil
}

// firing is what the application's triggers do when a row of the sessions is updated.
type firing struct {
	before bool     // some may change the row itself
	after  []string // some run afterwards, by name: what they do elsewhere cannot be undone
}

func updateTriggers(ctx context.Context, q *guarded, m *mapping) (firing, error) {
	var f firing
	err := q.QueryRow(ctx, `
		SELECT coalesce(bool_or(t.tgtype & 3 = 3), false),
		       coalesce(array_agg(t.tgname::text ORDER BY t.tgname) FILTER (WHERE t.tgtype & 2 = 0), '{}')
		  FROM pg_catalog.pg_trigger t
		 WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 16 = 16
		   AND t.tgname NOT IN ('~sessioncleanup_observe', 'sessioncleanup_tag_columns', '!sessioncleanup_keep', '~sessioncleanup_keep')`, m.table.oid).Scan(&f.before, &f.after)
	return f, mapError("look for triggers", err)
}

// backfillTable makes a table of each session's newest activity, in one scan of each activity table.
func (p *plan) backfillTable() string {
	var parts []string
	if p.adopted() {
		parts = p.unnoticed()
	} else {
		for _, src := range p.m.sources {
			if src.At != "" && p.m.reads(src.relation) {
				parts = append(parts, p.newestIn(src, src.sql(), true))
			}
		}
	}
	if len(parts) == 0 {
		return p.m.statement("backfill_empty")
	}
	return p.m.statement("backfill_table", sqlfile.Names{"backfill_union": strings.Join(parts, "\nUNION ALL\n")})
}

// newestIn is the newest activity of each session in a table that has the columns of an activity table. Unless only rows with a
// time count, one without may be of now.
func (p *plan) newestIn(src source, table string, timed bool) string {
	at := p.m.usedByOf(src.columns[src.At], "c.")
	if !timed {
		at = p.m.statement("backfill_or_now", sqlfile.Names{"at": at})
	}
	return p.m.statement("backfill_source", sqlfile.Names{"session": sqlfile.Column(src.Session), "source": table, "at": at})
}

// backfill goes through the sessions by id, in short transactions, until none lacks a last activity. Sessions that are
// touched meanwhile have one already.
func (s *Store) backfill(ctx context.Context, p *plan) error {
	m, names := p.m, p.backfillNames()
	var made, missing bool
	err := s.pool.QueryRow(ctx, "SELECT to_regclass($1::text) IS NOT NULL", m.names["backfill"]).Scan(&made)
	if err != nil {
		return mapError("look for an earlier backfill", err)
	}
	if err := wait.For(ctx, calm); err != nil {
		return err
	}
	if !made { // in one transaction: when it is there, it is complete
		if err := s.runStep(ctx, m, step{sql: []string{p.backfillTable(), "ANALYZE " + m.names["backfill"] + ";"}}); err != nil {
			return err
		}
	}
	roles, err := s.pool.rolesFor(ctx, m.table.oid)
	if err != nil {
		return err
	}
	reports := s.reports()
	for deadline := time.Now().Add(s.cfg.MigrateWait); ; {
		if err := s.pool.QueryRow(ctx, m.statement("backfill_missing", names)).Scan(&missing); err != nil {
			return mapError("look for sessions without a last activity", err)
		}
		if !missing {
			break
		}
		written, err := s.backfillPass(ctx, m, m.statement("backfill_chunk", names), roles.super)
		switch {
		case err != nil:
			return err
		case written > 0:
			deadline = time.Now().Add(s.cfg.MigrateWait)
		case time.Now().After(deadline):
			return fmt.Errorf("%w: sessions could not be written for %v: others keep them locked, or a trigger of the application suppresses the update; migrate again when that is over",
				sessioncleanup.ErrUnavailable, s.cfg.MigrateWait)
		default:
			reports.locked(ctx)
			if err := wait.For(ctx, pollLock); err != nil {
				return err
			}
		}
	}
	return s.runStep(ctx, m, step{sql: []string{"DROP TABLE IF EXISTS " + m.names["backfill"] + ";", m.statement("settings_backfilled")}})
}

// backfillPass goes through the sessions once. A superuser's leaves out the application's triggers altogether.
func (s *Store) backfillPass(ctx context.Context, m *mapping, chunk string, super bool) (written int, err error) {
	size := firstChunk
	var after *string
	for {
		var seen, wrote int
		var last *string
		started := time.Now()
		err := s.persist(ctx, func() error {
			return s.inTx(ctx, func(batch *pgx.Batch) {
				batch.Queue(m.mark("true"))
				if super {
					batch.Queue("SELECT set_config('role', 'none', true), set_config('session_replication_role', 'replica', true), " +
						"set_config('role', " + literal(cmp.Or(m.role, "none")) + ", true)")
				}
				batch.Queue("SELECT set_config('search_path', " + m.names["path_literal"] + ", true)")
				batch.Queue(chunk, after, size).QueryRow(func(row pgx.Row) error { return row.Scan(&last, &seen, &wrote) })
			}, nil)
		})
		if err != nil {
			return written, err
		}
		written, after = written+wrote, last
		if seen < size {
			return written, nil
		}
		size = nextChunk(size, time.Since(started))
	}
}

// nextChunk is the size of the chunk after one that took some time.
func nextChunk(size int, took time.Duration) int {
	switch {
	case took > chunkBudget:
		return max(int(float64(size)*float64(chunkBudget)/float64(took)), 1)
	case took < chunkBudget/2:
		return min(size*2, mostChunk)
	default:
		return size
	}
}
