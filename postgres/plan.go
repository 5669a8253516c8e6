package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/adopt"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// plan lists what is missing in a database, in the order in which to add it. It only reads.
type plan struct {
	m        *mapping
	set      settings
	policy   sessioncleanup.Policy
	opts     sessioncleanup.MigrateOptions
	q        *guarded
	create   bool   // the table of the library's own does not exist yet
	space    bool   // the schema of an installation with a name does not exist yet
	refilled string // the one moment that an earlier migration gave to most sessions as their last activity
	gaps     []*gap // see catchup.go
	rebuilt  bool   // the table of sessions lost what an earlier migration added to it
	first    []step // before the library's own tables are looked into
	steps    []step
	notes    []note
	moved    step            // records what the application renamed
	recorded bool            // the record says what the catalog shows
	tagged   map[string]bool // see places.Tags
	located  []located       // what was or will be added, where that can be told
	self     uint32          // see places.Self
}

// note is what an operator should know before the steps.
type note struct {
	warning bool
	text    string
}

func (p *plan) has(o object) bool { return slices.Contains(p.set.added, o) }

func (p *plan) add(s step) { p.steps = append(p.steps, s) }

func (p *plan) warn(format string, args ...any) {
	p.notes = append(p.notes, note{true, fmt.Sprintf(format, args...)})
}

func (p *plan) note(format string, args ...any) {
	p.notes = append(p.notes, note{false, fmt.Sprintf(format, args...)})
}

// build computes the steps.
func (p *plan) build(ctx context.Context) error {
	for _, stage := range []func(context.Context) error{p.giveAway, p.addNumbers, p.takeBack, p.warnOfCreators, p.takeOver, p.addColumns, p.changeDefault, p.addFunctions, p.addView, p.addArchiveView, p.addTriggers, p.addBackfill, p.addTagColumns, p.addIndexes, p.addGrants} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	all := slices.Clone(p.set.added)
	for _, s := range p.steps {
		all = append(all, s.adds...)
	}
	var err error
	p.self, p.located, err = locate(ctx, p.q, p.m, all)
	return err
}

// settingsStep remembers what is adopted.
func (p *plan) settingsStep() step {
	return step{about: "say what is adopted", adds: p.moved.adds, drops: p.moved.drops, sql: []string{p.m.statement("settings_write", p.settingsNames())}}
}

// settingsNames fill in what is adopted, with every table's schema.
func (p *plan) settingsNames() sqlfile.Names {
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
	return sqlfile.Names{
		"schema_json": literal(string(data)), "zone_text": literal(p.m.zone), "places_json": literal(p.places()),
		"untracked": fmt.Sprint(p.m.untracked), "accepted": fmt.Sprint(p.set.accepted),
	}
}

func completeStep(m *mapping) step {
	return step{about: "note that all is done", sql: []string{
		m.statement("settings_complete", sqlfile.Names{"adoption": fmt.Sprint(adoption)}), m.statement("settings_reached"),
	}}
}

// addColumns makes the library's own table, or adds the lifecycle columns that the application's lacks, each by a change
// of the catalog only. Columns that exist stay as they are, but those that every insert must fill get a default if they
// have none.
func (p *plan) addColumns(ctx context.Context) error {
	s, table := p.m.schema, p.m.table
	def := p.autoDefault()
	if p.create {
		p.add(step{about: "create the table " + table.path(), adds: []object{{Kind: "table", Space: table.space, Name: table.name}},
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
			p.warnOfLoss(c)
			p.add(step{about: fmt.Sprintf("add the column %s to %s", c.Column, table.path()),
				sql:  p.restored(p.m.statement("add_"+c.Field, def), fmt.Sprintf("COMMENT ON COLUMN %s.%s IS %s;", table.sql(), sqlfile.Column(c.Column), literal(ownMark))),
				adds: []object{{Kind: "column", Space: table.space, Table: table.name, Name: c.Column}}})
		case !existing.hasValue && (c.Field == "last_activity" || c.Field == "auto_cleanup"):
			p.add(step{about: fmt.Sprintf("set a default for the column %s of %s", c.Column, table.path()),
				sql:  p.restored(p.m.statement("default_"+c.Field, def)),
				adds: []object{{Kind: "default", Space: table.space, Table: table.name, Name: c.Column}}})
		}
	}
	return p.addClass(ctx)
}

// addClass adds the column for classes, which is empty.
func (p *plan) addClass(ctx context.Context) error {
	there, err := p.m.classed(ctx, p.q)
	if err != nil || there {
		return err
	}
	table := p.m.table
	p.add(step{about: fmt.Sprintf("add the column %s to %s", classColumn, table.path()),
		sql:  p.restored(p.m.statement("add_class"), fmt.Sprintf("COMMENT ON COLUMN %s.%s IS %s;", table.sql(), sqlfile.Column(classColumn), literal(ownMark))),
		adds: []object{{Kind: "column", Space: table.space, Table: table.name, Name: classColumn}}})
	return nil
}

// classed reports whether the table has the column for classes.
func (m *mapping) classed(ctx context.Context, q *guarded) (there bool, err error) {
	err = q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::oid AND a.attname = $2::name AND NOT a.attisdropped)", m.table.oid, classColumn).Scan(&there)
	return there, mapError("look for the column "+classColumn, err)
}

// autoDefault is the default of the column auto_cleanup, by the policy.
func (p *plan) autoDefault() sqlfile.Names {
	return sqlfile.Names{"auto_default": fmt.Sprint(p.policy.AutoCleanupDefault.Or(true))}
}

// changeDefault has a column that Migrate added follow a change of Policy.AutoCleanupDefault.
func (p *plan) changeDefault(ctx context.Context) error {
	table, name := p.m.table, p.m.schema.AutoCleanup
	if p.create || !p.has(object{Kind: "column", Space: table.space, Table: table.name, Name: name}) && !p.has(object{Kind: "table", Space: table.space, Name: table.name}) {
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
		"sessioncleanup_shorten", "sessioncleanup_log", "sessioncleanup_settled", "sessioncleanup_seal", "sessioncleanup_forget", "sessioncleanup_reactivate", "sessioncleanup_apply_touches", "sessioncleanup_settle_touches",
		"sessioncleanup_commit_touches", "sessioncleanup_note_touches", "sessioncleanup_note", "sessioncleanup_use", "sessioncleanup_observe", "sessioncleanup_untag",
		"sessioncleanup_write", "sessioncleanup_delete", "sessioncleanup_touch",
		"sessioncleanup_tag_columns", "sessioncleanup_retagged", "sessioncleanup_class", "sessioncleanup_classify", "sessioncleanup_ranges", "sessioncleanup_candidates", "sessioncleanup_rules",
		"sessioncleanup_keys", "sessioncleanup_taken", "sessioncleanup_spared", "sessioncleanup_dependents",
		"sessioncleanup_row_key", "sessioncleanup_require_archivable", "sessioncleanup_texts", "sessioncleanup_copy", "sessioncleanup_within", "sessioncleanup_archive", "sessioncleanup_obstacle", "sessioncleanup_rows", "sessioncleanup_id_columns", "sessioncleanup_new_ids", "sessioncleanup_with_ids", "sessioncleanup_relink", "sessioncleanup_retag",
		"sessioncleanup_restore", "restore_archived_session", "sessioncleanup_purge_rules", "sessioncleanup_purge",
		"sessioncleanup_deferred", "sessioncleanup_require_done", "sessioncleanup_require_triggers", "sessioncleanup_open_activity", "sessioncleanup_sweep", "sessioncleanup_warn", "sessioncleanup_cutoffs", "sessioncleanup_due", "sessioncleanup_phase", "sessioncleanup_details",
		"sessioncleanup_expected", "cleanup_inactive_sessions", "get_session_cleanup_stats",
	}
}

// addFunctions stores the policy and makes the functions, unless both are there as they would be.
func (p *plan) addFunctions(ctx context.Context) error {
	names := functions()
	var texts []string
	for _, name := range names {
		texts = append(texts, p.m.statement(name))
	}
	for _, src := range p.m.sources {
		names = append(names, trackName(src))
		texts = append(texts, p.m.statement("track", p.trackNames(src)))
	}
	policy, made := policyNames(p.policy), sqlfile.Names{"functions_text": literal(markOf(strings.Join(texts, "\n"))), "function_names": literalArray(names)}
	made["functions_made"] = p.m.statement("functions_made", made)
	if p.set.complete == adoption && len(p.first) == 0 { // a new owner of the sessions cannot read the settings before the first steps
		var same bool
		if err := p.q.QueryRow(ctx, p.m.statement("functions_same", policy, made)).Scan(&same); same || err != nil {
			return mapError("look at the functions", err)
		}
	}
	s := step{about: "store the policy and create the functions", sql: []string{p.m.statement("policy_write", policy)}}
	retyped, err := p.m.retyped(ctx, p.q)
	if err != nil {
		return err
	}
	if retyped {
		retype, err := p.retype(ctx, functions())
		if err != nil {
			return err
		}
		s.sql = append(s.sql, retype...)
	}
	s.sql = append(s.sql, texts...)
	s.sql = append(s.sql, markFunctions(p.m.space, names...), revokeExecute(p.m.space, names...), p.m.statement("settings_functions", made))
	for _, name := range names {
		s.adds = append(s.adds, object{Kind: "function", Space: p.m.space, Name: name})
	}
	p.add(s)
	return nil
}

// retype is the SQL that follows the application when it altered the type of its ids: the library's own functions that take
// ids are made again.
func (p *plan) retype(ctx context.Context, names []string) ([]string, error) {
	if err := p.checkRetyped(ctx); err != nil {
		return nil, err
	}
	touches, trigger := "sessioncleanup_touches", object{Kind: "trigger", Space: p.m.space, Table: "sessioncleanup_touches", Name: "sessioncleanup_commit"}
	var doomed []object
	for _, o := range p.set.added {
		if o.Kind == "trigger" {
			doomed = append(doomed, o)
		}
	}
	for _, column := range []string{"session_id", "statement_ids"} {
		doomed = append(doomed, object{Kind: "type", Space: p.m.space, Table: touches, Name: column})
	}
	var inner []string
	for _, name := range names {
		if strings.HasPrefix(name, ownMark) || name == "restore_archived_session" {
			inner = append(inner, name)
			doomed = append(doomed, object{Kind: "function", Space: p.m.space, Name: name})
		}
	}
	return []string{
		dropFunctionsWithArguments(p.m.space, inner...), dropTrigger(trigger), p.m.statement("retype_touches"),
		p.m.statement("sessioncleanup_commit_touches"), p.m.statement("commit_trigger", sqlfile.Names{"trigger": sqlfile.Column(trigger.Name)}),
	}, refuseBlocked(ctx, p.q, "migrate", doomed, nil, "")
}

// checkRetyped refuses new ids that nobody can tell from the old ones, such as uuid instead of bigint, while the library's
// tables have some of these.
func (p *plan) checkRetyped(ctx context.Context) error {
	for _, table := range []string{"tags", "touches", "retagged"} {
		var n int
		err := p.q.QueryRow(ctx, p.m.statement("retype_fits", sqlfile.Names{"own": p.m.own(table)})).Scan(&n)
		if server, ok := errors.AsType[*pgconn.PgError](err); ok && slices.Contains([]string{"22", "23"}, server.Code[:2]) {
			return invalid.Databasef("the ids of %s are of type %s now, and the column session_id of %s has ids that do not fit it: %s; "+
				"keep a copy of the tags that you need, run TRUNCATE %[3]s, migrate again, and insert the tags of the new ids", p.m.table.path(), p.m.names["id_type"], p.m.own(table), server.Message)
		}
		if err != nil {
			return mapError("look at the ids in "+p.m.own(table), err)
		}
	}
	return nil
}

// retyped reports whether the application altered the type of its ids since they were adopted.
func (m *mapping) retyped(ctx context.Context, q *guarded) (bool, error) {
	var was string
	err := q.QueryRow(ctx, `
		SELECT t.typnamespace::regnamespace || '.' || quote_ident(t.typname)
		  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
		 WHERE a.attrelid = to_regclass($1::text) AND a.attname = 'session_id'`, m.own("touches")).Scan(&was)
	return was != "" && was != m.names["id_type"], mapError("look up the type of the ids", ignoreNoRows(err))
}

// maxIdentifier is the longest name that the server keeps, in bytes.
const maxIdentifier = 63

// checkLengths refuses names that the server would cut silently.
func checkLengths(s sessioncleanup.Schema) error {
	names := append(adopt.Columns(s), sqlfile.Split(s.Table)...)
	if s.Owners != nil {
		names = append(names, sqlfile.Split(s.Owners.Table)...)
	}
	for _, src := range s.Sources {
		names = append(names, sqlfile.Split(src.Table)...)
	}
	for _, name := range names {
		if len(name) > maxIdentifier {
			return invalid.Errorf("the schema has the name %q: want at most %d bytes, as PostgreSQL keeps", name, maxIdentifier)
		}
	}
	return nil
}

// short makes a name of at most 63 bytes, which is where PostgreSQL cuts; a hash tells apart what is cut.
func short(parts ...string) string {
	name := strings.Join(parts, "_")
	if len(name) <= maxIdentifier {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return strings.ToValidUTF8(name[:54], "") + "_" + hex.EncodeToString(sum[:4])
}
