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
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// object is something that Migrate added, for Uninstall to remove.
type object struct {
	Kind  string `json:"kind"`            // table, column, default, index, trigger, function, view
	Table string `json:"table,omitempty"` // quoted, for what belongs to a table
	Name  string `json:"name"`            // unquoted; an index's is quoted, with its schema
}

// literal is the object as SQL: an array of one, in JSON.
func (o object) literal() string {
	data, err := json.Marshal([]object{o})
	if err != nil {
		panic(err) // strings only
	}
	return literal(string(data))
}

// plan lists what is missing in a database, in the order in which to add it. It only reads.
type plan struct {
	m      *mapping
	set    settings
	policy sessioncleanup.Policy
	q      querier
	create bool // the table of the library's own does not exist yet
	steps  []step
}

func (p *plan) has(o object) bool { return slices.Contains(p.set.added, o) }

func (p *plan) add(s step) { p.steps = append(p.steps, s) }

// build computes the steps.
func (p *plan) build(ctx context.Context) error {
	for _, stage := range []func(context.Context) error{p.addColumns, p.changeDefault, p.addFunctions, p.addView, p.addTriggers, p.addBackfill, p.addIndexes} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settingsStep remembers what is adopted, with every table's schema.
func (p *plan) settingsStep() step {
	schema := p.m.schema
	schema.Table = p.m.table.path()
	if schema.Owners != nil {
		owners := *schema.Owners
		owners.Table = p.m.owners.path()
		schema.Owners = &owners
	}
	schema.Sources = nil
	for _, src := range p.m.sources {
		schema.Sources = append(schema.Sources, sessioncleanup.Source{Table: src.path(), Session: src.Session, At: src.At})
	}
	data, err := json.Marshal(schema)
	if err != nil {
		panic(err) // strings only
	}
	return step{about: "say what is adopted", sql: []string{p.m.statement("settings_write", sqlfile.Names{
		"schema_json": literal(string(data)), "zone_text": literal(p.m.zone),
	})}}
}

func completeStep(m *mapping) step {
	return step{about: "note that all is done", sql: []string{m.statement("settings_complete", sqlfile.Names{"adoption": fmt.Sprint(adoption)})}}
}

// addColumns makes the library's own table, or adds the lifecycle columns that the application's lacks, each by a change
// of the catalog only. Columns that exist stay as they are, but those that every insert must fill get a default if they
// have none.
func (p *plan) addColumns(context.Context) error {
	s, table := p.m.schema, p.m.table
	def := p.autoDefault()
	if p.create {
		p.add(step{about: "create the table " + table.path(), adds: []object{{Kind: "table", Name: table.sql()}},
			sql: []string{p.m.statement("own_table", def, sqlfile.Names{
				"own_owner": sqlfile.Column(s.Owner), "own_name": sqlfile.Column(s.Name), "own_code": sqlfile.Column(s.Code),
				"own_created_at": sqlfile.Column(s.CreatedAt), "own_updated_at": sqlfile.Column(s.UpdatedAt),
			})}})
		return nil
	}
	for _, c := range adopt.Lifecycle(s) {
		existing, ok := table.columns[c.Column]
		switch {
		case !ok:
			p.add(step{about: fmt.Sprintf("add the column %s to %s", c.Column, table.path()),
				sql:  []string{p.m.statement("add_"+c.Field, def)},
				adds: []object{{Kind: "column", Table: table.sql(), Name: c.Column}}})
		case !existing.hasValue && (c.Field == "last_activity" || c.Field == "auto_cleanup"):
			p.add(step{about: fmt.Sprintf("set a default for the column %s of %s", c.Column, table.path()),
				sql:  []string{p.m.statement("default_"+c.Field, def)},
				adds: []object{{Kind: "default", Table: table.sql(), Name: c.Column}}})
		}
	}
	return nil
}

// autoDefault is the default of the column auto_cleanup, by the policy.
func (p *plan) autoDefault() sqlfile.Names {
	return sqlfile.Names{"auto_default": fmt.Sprint(p.policy.AutoCleanupDefault.Or(true))}
}

// changeDefault has a column that Migrate added follow a change of Policy.AutoCleanupDefault.
func (p *plan) changeDefault(ctx context.Context) error {
	table, name := p.m.table, p.m.schema.AutoCleanup
	if p.create || !p.has(object{Kind: "column", Table: table.sql(), Name: name}) && !p.has(object{Kind: "table", Name: table.sql()}) {
		return nil
	}
	var now string
	err := p.q.QueryRow(ctx, `
		SELECT coalesce((SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a
		                     ON a.attrelid = d.adrelid AND a.attnum = d.adnum
		                  WHERE d.adrelid = $1::oid AND a.attname = $2::text), '')`, table.oid, name).Scan(&now)
	if def := p.autoDefault(); err == nil && now != def["auto_default"] {
		p.add(step{about: "change the default of " + name, sql: []string{p.m.statement("default_auto_cleanup", def)}})
	}
	return mapError("read the default of "+name, err)
}

// functions are the library's, by the names of their statements too, in the order in which they can be made.
func functions() []string {
	return []string{
		"sessioncleanup_reactivate", "sessioncleanup_apply_touches", "sessioncleanup_settle_touches",
		"sessioncleanup_commit_touches", "sessioncleanup_note_touches",
		"sessioncleanup_sweep", "sessioncleanup_cutoffs", "sessioncleanup_due", "sessioncleanup_phase", "sessioncleanup_details",
		"cleanup_inactive_sessions", "get_session_cleanup_stats",
	}
}

func (p *plan) addFunctions(ctx context.Context) error {
	s := step{about: "store the policy and create the functions", sql: []string{policySQL(p.m, p.policy)}}
	for _, name := range functions() {
		o := object{Kind: "function", Name: name}
		if err := p.refuseForeign(ctx, o,
			"SELECT EXISTS (SELECT FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace WHERE n.nspname = $1::text AND f.proname = $2::text)"); err != nil {
			return err
		}
		s.sql = append(s.sql, p.m.statement(name))
		s.adds = append(s.adds, o)
	}
	for _, src := range p.m.sources {
		s.sql = append(s.sql, p.m.statement("track", trackNames(src)))
		s.adds = append(s.adds, object{Kind: "function", Name: trackName(src)})
	}
	p.add(s)
	return nil
}

// refuseForeign fails when an object that Migrate is about to make exists already and the library did not make it.
func (p *plan) refuseForeign(ctx context.Context, o object, exists string) error {
	if p.has(o) {
		return nil
	}
	var there bool
	if err := p.q.QueryRow(ctx, exists, p.m.space, o.Name).Scan(&there); err != nil {
		return mapError("look for the "+o.Kind+" "+o.Name, err)
	}
	if there {
		return invalid.Errorf("schema %s already has a %s %s that this library did not make; drop or rename it, then migrate", p.m.space, o.Kind, o.Name)
	}
	return nil
}

// addView makes the view again when its text changed, as its comment tells, which holds the text's hash.
func (p *plan) addView(ctx context.Context) error {
	view := object{Kind: "view", Name: "sessions_cleanup_view"}
	path := sqlfile.Column(p.m.space) + "." + view.Name
	sql := p.m.statement("view", p.viewNames())
	sum := sha256.Sum256([]byte(sql))
	mark := "sessioncleanup " + hex.EncodeToString(sum[:8])
	if err := p.refuseForeign(ctx, view,
		"SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1::text AND c.relname = $2::text)"); err != nil {
		return err
	}
	var comment string
	err := p.q.QueryRow(ctx, "SELECT coalesce(obj_description(to_regclass($1::text), 'pg_class'), '')", path).Scan(&comment)
	if err == nil && comment != mark {
		p.add(step{about: "create the view " + view.Name, adds: []object{view}, sql: []string{
			"DROP VIEW IF EXISTS " + path + ";", sql + ";", "COMMENT ON VIEW " + path + " IS " + literal(mark) + ";",
		}})
	}
	return mapError("look for the view", err)
}

// short makes a name of at most 63 bytes, which is where PostgreSQL cuts; a hash tells apart what is cut.
func short(parts ...string) string {
	name := strings.Join(parts, "_")
	if len(name) <= 63 {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return strings.ToValidUTF8(name[:54], "") + "_" + hex.EncodeToString(sum[:4])
}
