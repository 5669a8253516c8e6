package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// object is something that Migrate added, for Uninstall to take back.
type object struct {
	Kind  string `json:"kind"`            // table, column, default, index, trigger, function, view
	Table string `json:"table,omitempty"` // quoted, for what belongs to a table
	Name  string `json:"name"`            // unquoted; an index's is quoted, with its schema
}

// step is one thing that Migrate does. Its SQL is one transaction, unless it is a backfill or builds an index
// concurrently.
type step struct {
	about string   // for people
	sql   []string // statements
	adds  []object // recorded in the same transaction, or before a concurrent one
	drops []object // no longer recorded afterwards
	alone bool     // not in a transaction
	index string   // the index built, quoted with its schema, if it is one
	fill  bool     // the backfill: sql is its form for people, Migrate does it in batches
}

// plan lists what is missing in a database, in the order in which to add it. It only reads.
type plan struct {
	l      *layout
	set    settings
	policy sessioncleanup.Policy
	q      querier
	create bool // the table of the library's own is yet to be made
	steps  []step
}

// text writes an object's JSON as an SQL literal.
func text(objects ...object) string {
	data, err := json.Marshal(objects)
	if err != nil {
		panic(err) // strings only
	}
	return literal(string(data))
}

func (p *plan) has(o object) bool { return slices.Contains(p.set.added, o) }

func (p *plan) add(s step) { p.steps = append(p.steps, s) }

// build computes the steps.
func (p *plan) build(ctx context.Context) error {
	if p.create {
		p.add(step{about: "create the table " + p.l.table.path(), sql: []string{p.l.statement("own_table", p.ownColumns())},
			adds: []object{{Kind: "table", Name: p.l.table.sql()}}})
	} else {
		p.addColumns()
	}
	for _, stage := range []func(context.Context) error{p.changeDefault, p.addFunctions, p.addView, p.addTriggers, p.addBackfill, p.addIndexes} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) ownColumns() sqlfile.Names {
	h := p.l.host
	return sqlfile.Names{
		"own_owner": sqlfile.Column(h.Owner), "own_name": sqlfile.Column(h.Name), "own_code": sqlfile.Column(h.Code),
		"own_created_at": sqlfile.Column(h.CreatedAt), "own_updated_at": sqlfile.Column(h.UpdatedAt), "auto_default": p.autoDefault(),
	}
}

func (p *plan) autoDefault() string {
	if p.policy.AutoCleanupDefault.Or(true) {
		return "true"
	}
	return "false"
}

// addColumns adds the columns of the lifecycle that the host's table lacks, each by a change of the catalog only.
// Columns that exist stay as they are, but those that every insert must fill get a default if they have none.
func (p *plan) addColumns() {
	def := sqlfile.Names{"auto_default": p.autoDefault()}
	for _, c := range []struct {
		statement, name string
		needsDefault    bool
	}{
		{"active", p.l.host.Active, false},
		{"auto_cleanup", p.l.host.AutoCleanup, true},
		{"expires_at", p.l.host.ExpiresAt, false},
		{"last_activity", p.l.host.LastActivity, true},
	} {
		existing, ok := p.l.table.columns[c.name]
		switch {
		case !ok:
			p.add(step{about: fmt.Sprintf("add the column %s to %s", c.name, p.l.table.path()),
				sql:  []string{p.l.statement("add_"+c.statement, def)},
				adds: []object{{Kind: "column", Table: p.l.table.sql(), Name: c.name}}})
		case c.needsDefault && !existing.hasValue:
			p.add(step{about: fmt.Sprintf("give the column %s of %s a default", c.name, p.l.table.path()),
				sql:  []string{p.l.statement("default_"+c.statement, def)},
				adds: []object{{Kind: "default", Table: p.l.table.sql(), Name: c.name}}})
		}
	}
}

// changeDefault has a column that Migrate added follow a change of Policy.AutoCleanupDefault.
func (p *plan) changeDefault(ctx context.Context) error {
	column := object{Kind: "column", Table: p.l.table.sql(), Name: p.l.host.AutoCleanup}
	if p.create || !p.has(column) && !p.has(object{Kind: "table", Name: p.l.table.sql()}) {
		return nil
	}
	var now string
	err := p.q.QueryRow(ctx, `
		SELECT coalesce((SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a
		                     ON a.attrelid = d.adrelid AND a.attnum = d.adnum
		                  WHERE d.adrelid = $1::oid AND a.attname = $2::text), '')`, p.l.table.oid, p.l.host.AutoCleanup).Scan(&now)
	if err == nil && now != p.autoDefault() {
		p.add(step{about: "change the default of " + p.l.host.AutoCleanup,
			sql: []string{p.l.statement("default_auto_cleanup", sqlfile.Names{"auto_default": p.autoDefault()})}})
	}
	return mapError("read the default of "+p.l.host.AutoCleanup, err)
}

// functions lists the library's functions in the order in which they can be made.
func functions() []struct{ statement, name string } {
	return []struct{ statement, name string }{
		{"reactivate", "sessioncleanup_reactivate"}, {"write_touches", "sessioncleanup_write_touches"},
		{"fold_touches", "sessioncleanup_fold_touches"}, {"apply_touches", "sessioncleanup_apply_touches"},
		{"note_touches", "sessioncleanup_note_touches"},
		{"keep_tracking", "sessioncleanup_keep_tracking"}, {"cutoffs", "sessioncleanup_cutoffs"}, {"details", "sessioncleanup_details"},
		{"deactivate_batch", "sessioncleanup_deactivate_batch"}, {"delete_batch", "sessioncleanup_delete_batch"},
		{"sweep", "sessioncleanup_sweep"}, {"cleanup", "cleanup_inactive_sessions"}, {"stats", "get_session_cleanup_stats"},
	}
}

func (p *plan) addFunctions(ctx context.Context) error {
	s := step{about: "store the policy and create the functions", sql: []string{
		"SET LOCAL sessioncleanup.migrating = 'yes';", policySQL(p.l, p.policy),
	}}
	for _, f := range functions() {
		o := object{Kind: "function", Name: f.name}
		if !p.has(o) {
			if err := p.refuseForeign(ctx, "function", f.name,
				"SELECT EXISTS (SELECT FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace WHERE n.nspname = $1::text AND f.proname = $2::text)"); err != nil {
				return err
			}
		}
		s.sql = append(s.sql, p.l.statement(f.statement, sqlfile.Names{"reactivate": p.reactivate()}))
		s.adds = append(s.adds, o)
	}
	s.sql = append(s.sql,
		"DROP TRIGGER IF EXISTS sessioncleanup_apply ON "+p.l.names["touches"]+";", p.l.statement("apply_trigger"),
		"DROP TRIGGER IF EXISTS sessioncleanup_keep ON "+p.l.names["policy"]+";", p.l.statement("keep_trigger"))
	for _, src := range p.l.sources {
		for _, event := range trackedEvents {
			s.sql = append(s.sql, p.l.statement("track", p.trackNames(src, event)))
			s.adds = append(s.adds, object{Kind: "function", Name: trackName(src, event)})
		}
	}
	p.add(s)
	return nil
}

// refuseForeign fails when an object that Migrate is about to make is there already and somebody else's.
func (p *plan) refuseForeign(ctx context.Context, kind, name, exists string) error {
	var there bool
	if err := p.q.QueryRow(ctx, exists, p.l.space, name).Scan(&there); err != nil {
		return mapError("look for the "+kind+" "+name, err)
	}
	if there {
		return fmt.Errorf("%w: schema %s already has a %s %s that this library did not make; drop or rename it, then migrate",
			sessioncleanup.ErrInvalid, p.l.space, kind, name)
	}
	return nil
}

// addView makes the view anew when its text changed, by its comment, which holds the text's hash.
func (p *plan) addView(ctx context.Context) error {
	view := object{Kind: "view", Name: "sessions_cleanup_view"}
	path := sqlfile.Column(p.l.space) + "." + view.Name
	sql := p.l.statement("view", p.viewNames())
	sum := sha256.Sum256([]byte(sql))
	mark := "sessioncleanup " + hex.EncodeToString(sum[:8])
	var comment string
	err := p.q.QueryRow(ctx, "SELECT coalesce(obj_description(to_regclass($1::text), 'pg_class'), '')", path).Scan(&comment)
	if err != nil {
		return mapError("look for the view", err)
	}
	if !p.has(view) {
		if err := p.refuseForeign(ctx, "relation", view.Name,
			"SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1::text AND c.relname = $2::text)"); err != nil {
			return err
		}
	} else if comment == mark {
		return nil
	}
	p.add(step{about: "create the view " + view.Name, adds: []object{view}, sql: []string{
		"DROP VIEW IF EXISTS " + path + ";", sql + ";", "COMMENT ON VIEW " + path + " IS " + literal(mark) + ";",
	}})
	return nil
}

// short makes a name of at most 63 bytes, which is where PostgreSQL cuts; what is cut is told apart by a hash.
func short(parts ...string) string {
	name := strings.Join(parts, "_")
	if len(name) <= 63 {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return strings.ToValidUTF8(name[:54], "") + "_" + hex.EncodeToString(sum[:4])
}
