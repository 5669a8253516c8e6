package postgres_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/internal/pgtest"
	"github.com/sessioncleanup/sessioncleanup/internal/runmodel"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

var seeds = flag.Int("seeds", 1, "how many new random schemas are adopted and archived, besides those that are always tried")

// withRandom adds new seeds to some that are always tried.
func withRandom(always ...uint64) []uint64 {
	for range *seeds {
		always = append(always, rand.Uint64())
	}
	return always
}

// TestRunsOnRandomSchemasStayWithinTheRules adopts random tables with random rows while the application writes, and holds
// three runs, ten and then forty days apart, against a model of what they may do and must do.
func TestRunsOnRandomSchemasStayWithinTheRules(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Random)
	// Those have states, other rows and soft deletion.
	for _, seed := range withRandom(2, 6, 11) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := randomApplication(rand.New(rand.NewPCG(seed, 14)))
			url := pgtest.Empty(t)
			for _, sql := range []string{w.ddl, w.dml.String()} { // the rows are written in the zone that the tables' script sets
				if err := pgapps.Exec(t.Context(), url, sql); err != nil {
					t.Fatalf("%v\n%s", err, sql)
				}
			}
			defer func() {
				if t.Failed() {
					t.Logf("the application's tables: %s", w.ddl)
				}
			}()
			before := dump(t, url)
			role := roleOf(t, asRole(t, connect(t, url)))
			store := open(t, url, postgres.Config{Schema: w.schema, Migrate: sessioncleanup.MigrateOptions{AcceptTimes: true, CleanerRole: role}})
			model := newModel(t, w, connect(t, url))
			rows, others := model.rows(t), model.others(t)
			if w.refused {
				if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); !errors.Is(err, sessioncleanup.ErrInvalid) {
					t.Errorf("Migrate fails with %v, want an ErrInvalid", err)
				}
				if diff := cmp.Diff(before, dump(t, url)); diff != "" {
					t.Errorf("after the refusal (-before +after):\n%s", diff)
				}
				return
			}
			stop := w.write(t, url)
			if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
				t.Fatal(err)
			}
			model.SameRows(t, "Migrate", rows, "last_activity")
			if err := store.Validate(t.Context()); err != nil {
				t.Errorf("Validate: %v", err)
			}
			model.prepare(t)
			random := rand.New(rand.NewPCG(seed, 15))
			for _, days := range []int{0, 10, 40} {
				model.shift(t, days)
				model.sameFigures(t, store)
				model.ruledRun(t, store, random)
			}
			if diff := cmp.Diff(others, model.others(t)); diff != "" {
				t.Errorf("rows that are no sessions (-before +after):\n%s", diff)
			}
			rows = model.rows(t)
			undo := func() {}
			var mayChange []string
			if w.random.IntN(2) == 0 {
				stop()
				undo, mayChange = w.evolve(t, url, store), []string{"last_activity"} // a migration after a rename reads activity again
			}
			if err := store.Uninstall(t.Context()); err != nil {
				t.Fatal(err)
			}
			undo()
			model.SameRows(t, "Uninstall", rows, mayChange...)
			stop()
			if diff := cmp.Diff(before, dump(t, url)); diff != "" {
				t.Errorf("after Uninstall (-before +after):\n%s", diff)
			}
		})
	}
}

// application is the random database of an application.
type application struct {
	random  *rand.Rand
	table   string
	idType  string // of sessions
	prefix  string // of ids, where they are text
	owner   bool
	active  string                // column; empty for none
	schema  sessioncleanup.Schema // what the application says of its table; zero: nothing
	times   map[string]string     // the types of the columns created_at, updated_at, last_activity and expires_at, of those there are
	parent  string                // what a deletion does to the rows with this parent: CASCADE, SET NULL, or nothing
	stamps  bool                  // a trigger sets updated_at
	sources []activityTable
	refused bool   // it cannot be adopted
	ddl     string // the statements that make the tables
	dml     strings.Builder

	pausing sync.RWMutex // held for reading by each statement of the application
}

type activityTable struct {
	name, column string
	key          string // the foreign key's clause; empty for none
	pins         bool   // its rows keep sessions from being deleted
	at           string // the time column, quoted; empty for none
	atType       string
	known        bool // the time column has a name that says what it holds
	tenant       bool // the key has a second column
}

const count = 60 // sessions that are there before the adoption

// used reports whether the application uses the n-th session all the time.
func used(n int) bool { return n%5 == 0 }

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func randomApplication(r *rand.Rand) *application {
	w := &application{random: r, times: map[string]string{}}
	w.table = pick(r, "sessions", "sessions", "live_sessions")
	w.idType = pick(r, "bigint", "int", "uuid", "text", "varchar", "session_key")
	w.prefix = pick(r, "", "s-", "A ", `q'"{,}\ `, "é%_")
	w.owner = r.IntN(2) == 0
	w.active = pick(r, "", "active", "active", "is_active")
	w.parent = pick(r, "", "", "CASCADE", "CASCADE", "SET NULL", "none")
	for _, name := range []string{"created_at", "updated_at", "last_activity", "expires_at"} {
		switch {
		case r.IntN(3) == 0:
		case name == "created_at" || name == "updated_at":
			w.times[name] = pick(r, "timestamptz", "timestamptz", "timestamp", "timestamp(0)", "date")
		default:
			w.times[name] = pick(r, "timestamptz", "timestamptz", "timestamp", "timestamp(3)")
		}
	}
	if r.IntN(20) == 0 {
		w.times["last_activity"] = "date"
	}
	w.refused = w.times["last_activity"] == "date"
	w.stamps = w.times["updated_at"] != "" && r.IntN(2) == 0
	w.conditions()
	w.makeTables()
	w.makeRows()
	return w
}

// conditions makes some tables those of applications that have states in words, other rows beside the sessions, or soft deletion.
func (w *application) conditions() {
	if w.active != "" && w.random.IntN(3) == 0 {
		w.schema.State = &sessioncleanup.State{Active: []string{"open", "paused"}, Deactivated: runmodel.Closed}
		w.schema.Active = w.active
	}
	if w.random.IntN(3) == 0 {
		w.schema.Only = []sessioncleanup.Only{{Column: "kind", Values: []string{"room", "stage"}}}
	}
	if w.random.IntN(4) == 0 {
		w.schema.DeletedAt, w.schema.SoftDelete = "removed_at", true
	}
	if !w.schema.IsZero() {
		w.schema.Table = w.table
	}
}

// other reports whether the n-th row is no session, for the conditions that there are.
func (w *application) other(n int) bool {
	return n%10 == 8 && (w.schema.Only != nil || w.schema.SoftDelete)
}

// state is the SQL for a value of the column that says whether a session is active.
func (w *application) state(value string) string {
	if w.schema.State == nil || value == "NULL" {
		return value
	}
	return quote(map[string]string{"false": runmodel.Closed, "true": pick(w.random, w.schema.State.Active...)}[value])
}

// visible is the condition for a row to be a session.
func (w *application) visible() string {
	condition := "true"
	if w.schema.Only != nil {
		condition += " AND kind IN ('room', 'stage')"
	}
	if w.schema.SoftDelete {
		condition += " AND removed_at IS NULL"
	}
	return condition
}

func (w *application) makeTables() {
	r := w.random
	var ddl strings.Builder
	if w.idType == "session_key" {
		ddl.WriteString(pick(r, "CREATE DOMAIN session_key AS bigint CHECK (VALUE > 0);\n", "CREATE DOMAIN session_key AS text COLLATE \"C\";\n"))
		if !strings.Contains(ddl.String(), "text") {
			w.prefix = ""
		}
	}
	zone := pick(r, "", "", "Asia/Kolkata")
	if zone != "" {
		fmt.Fprintf(&ddl, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET TimeZone = %%L', current_database(), '%s'); END $$;\n", zone)
	}
	fmt.Fprintf(&ddl, "CREATE TABLE %s (id %s PRIMARY KEY, name text, tenant int NOT NULL DEFAULT 7", w.table, w.idType)
	if w.owner {
		ddl.WriteString(", owner_id " + pick(r, "text", "bigint", "uuid"))
	}
	if w.active != "" {
		ddl.WriteString(", " + w.active + w.stateType() + pick(r, "", " DEFAULT "+w.state("true"), " DEFAULT "+w.state("false")))
	}
	for _, name := range []string{"created_at", "updated_at", "last_activity", "expires_at"} {
		if typ := w.times[name]; typ != "" {
			ddl.WriteString(", " + name + " " + typ)
			if name != "expires_at" {
				ddl.WriteString(pick(r, "", " DEFAULT now()"))
			}
		}
	}
	if w.schema.Only != nil {
		ddl.WriteString(", kind " + pick(r, "text", "varchar(10)") + " DEFAULT 'room'")
	}
	if w.schema.SoftDelete {
		ddl.WriteString(", removed_at " + pick(r, "timestamptz", "timestamp"))
	}
	if w.parent != "" {
		ddl.WriteString(", parent_id " + w.idType)
		if w.parent != "none" {
			fmt.Fprintf(&ddl, " REFERENCES %s (id) ON DELETE %s", w.table, w.parent)
		}
	}
	ddl.WriteString(", UNIQUE (tenant, id));\n")
	if w.stamps {
		fmt.Fprintf(&ddl, "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated_at := now(); RETURN NEW; END';\n"+
			"CREATE TRIGGER %s BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION stamp();\n", pick(r, "stamp", "zz_stamp"), w.table)
	}
	for n := range r.IntN(4) {
		w.sources = append(w.sources, w.randomSource(&ddl, n))
	}
	if len(w.sources) > 0 {
		first := w.sources[0].name
		fmt.Fprintf(&ddl, "CREATE TABLE likes (id bigserial PRIMARY KEY, of bigint REFERENCES %s (id) ON DELETE %s);\nCREATE INDEX ON likes (of);\n", first, pick(r, "CASCADE", "SET NULL"))
	}
	w.ddl = ddl.String()
}

// stateType is the type of the column that says whether a session is active.
func (w *application) stateType() string {
	if w.schema.State == nil {
		return " boolean"
	}
	return pick(w.random, " text", " varchar(10)")
}

func (w *application) randomSource(ddl *strings.Builder, n int) activityTable {
	r := w.random
	s := activityTable{name: []string{"votes", "messages", "plays"}[n], column: pick(r, "session_id", strings.TrimSuffix(w.table, "s")+"_id")}
	action := pick(r, "", "ON DELETE CASCADE", "ON DELETE CASCADE", "ON DELETE SET NULL", "DEFERRABLE INITIALLY DEFERRED")
	s.tenant = r.IntN(4) == 0 && action != "ON DELETE SET NULL"
	s.pins = action == "DEFERRABLE INITIALLY DEFERRED"
	if action != "" {
		s.key = fmt.Sprintf(", FOREIGN KEY (%s) REFERENCES %s (id) %s", s.column, w.table, action)
		if s.tenant {
			s.key = fmt.Sprintf(", FOREIGN KEY (tenant, %s) REFERENCES %s (tenant, id) %s", s.column, w.table, action)
		}
	}
	s.at, s.known = pick(r, "created_at", "played_at", `"votedAt"`, "sent_at", "at", "moment", ""), true
	s.known = s.at != "" && s.at != "moment"
	s.atType = pick(r, "timestamptz", "timestamp", "date")
	fmt.Fprintf(ddl, "CREATE TABLE %s (id bigserial PRIMARY KEY, tenant int NOT NULL DEFAULT 7, %s %s", s.name, s.column, w.idType)
	if s.at != "" {
		fmt.Fprintf(ddl, ", %s %s", s.at, s.atType)
	}
	fmt.Fprintf(ddl, "%s);\nCREATE INDEX ON %s (%s);\n", s.key, s.name, s.column)
	return s
}

// id is the text of the n-th session's id.
func (w *application) id(n int) string {
	switch w.idType {
	case "uuid":
		return fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
	case "text", "varchar", "session_key":
		return w.prefix + strconv.Itoa(n)
	default:
		return strconv.Itoa(n)
	}
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// moment is a time as SQL. Half of the sessions have odd ones.
func (w *application) moment(odd bool, days int) string {
	if odd && w.random.IntN(2) == 0 {
		return pick(w.random, "NULL", "'-infinity'", "'infinity'", "'epoch'", "'1970-01-01 00:00:01'", "'0001-01-01'", "'0044-03-15 BC'",
			"'9999-12-31'", "'9000-01-02'", "now() + interval '300 days'", "now() - interval '2000 days'", "'1980-01-01'")
	}
	return fmt.Sprintf("now() - interval '%d hours'", max(days*24-w.random.IntN(20), 1))
}

func (w *application) makeRows() {
	r := w.random
	for n := 1; n <= count; n++ {
		odd, idle := r.IntN(2) == 0, pick(r, 0, 3, 3, 45, 60, 60)
		columns, values := []string{"id", "name"}, []string{quote(w.id(n)), quote("session " + strconv.Itoa(n))}
		add := func(column, value string) { columns, values = append(columns, column), append(values, value) }
		if w.active != "" {
			state := pick(r, "true", "false", "false", "NULL")
			if used(n) {
				state = "true"
			}
			add(w.active, w.state(state))
		}
		if w.other(n) {
			values[1] = quote("other " + strconv.Itoa(n))
			if w.schema.Only != nil {
				add("kind", "'draft'")
			} else {
				add("removed_at", "'2024-01-01 10:00:00'")
			}
		}
		for _, name := range []string{"created_at", "updated_at", "last_activity", "expires_at"} {
			switch {
			case w.times[name] == "":
			case name == "expires_at" && (used(n) || r.IntN(2) == 0):
			case name == "expires_at":
				add(name, w.moment(odd, pick(r, 1, 45, -20)))
			case name == "created_at":
				add(name, w.moment(odd, idle+10))
			default:
				add(name, w.moment(odd, idle))
			}
		}
		if parent := 1 + r.IntN(max(n-1, 1)); w.parent != "" && n > 1 && r.IntN(3) == 0 && !w.other(n) && !w.other(parent) {
			add("parent_id", quote(w.id(parent)))
		}
		fmt.Fprintf(&w.dml, "INSERT INTO %s (%s) VALUES (%s);\n", w.table, strings.Join(columns, ", "), strings.Join(values, ", "))
		for i, s := range w.sources {
			if r.IntN(3) > 0 || w.other(n) {
				continue
			}
			w.dml.WriteString(s.insert(w.id(n), w.moment(odd, pick(r, idle, idle+5))))
			if i == 0 {
				fmt.Fprintf(&w.dml, "INSERT INTO likes (of) SELECT max(id) FROM %s;\n", s.name)
			}
		}
	}
}

func (s activityTable) insert(id, at string) string {
	if s.at == "" {
		return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s);\n", s.name, s.column, quote(id))
	}
	return fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES (%s, %s);\n", s.name, s.column, s.at, quote(id), at)
}

// shows reports whether the application's statements show the library which sessions are used.
func (w *application) shows() bool { return w.useSQL(1) != "" }

// useSQL is a statement that uses a session: a row of an activity table or, without one, a write of the session's own row.
func (w *application) useSQL(n int) string {
	switch {
	case len(w.sources) > 0:
		return w.sources[n%len(w.sources)].insert(w.id(n), "now()")
	case w.times["updated_at"] == "date": // the day says nothing new
		return ""
	case w.times["updated_at"] != "":
		return fmt.Sprintf("UPDATE %s SET updated_at = clock_timestamp() WHERE id = %s", w.table, quote(w.id(n)))
	case w.times["last_activity"] != "":
		return fmt.Sprintf("UPDATE %s SET last_activity = clock_timestamp() WHERE id = %s", w.table, quote(w.id(n)))
	default:
		return ""
	}
}

// write uses and changes sessions, and adds new ones, in several goroutines until it is stopped. None of its statements
// may fail.
func (w *application) write(t *testing.T, url string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	pool := connect(t, url)
	for worker := range 2 {
		random := rand.New(rand.NewPCG(uint64(worker), 1))
		wg.Go(func() {
			first := 1_000_000 * (worker + 1)
			for n := first; ctx.Err() == nil; n++ {
				id := 5 * (1 + random.IntN(count/5))
				sql := pick(random, w.useSQL(id), fmt.Sprintf("UPDATE %s SET name = name || '.' WHERE id = %s", w.table, quote(w.id(id))),
					fmt.Sprintf("INSERT INTO %s (id, name) VALUES (%s, 'new')", w.table, quote(w.id(n))),
					fmt.Sprintf("BEGIN; SELECT FROM %s WHERE id = %s FOR UPDATE; %s; COMMIT", w.table, quote(w.id(id)), w.useSQL(id)))
				if n > first+8000 && strings.HasPrefix(sql, "INSERT INTO "+w.table+" ") { // on a slow machine the table would grow without end
					continue
				}
				w.pausing.RLock()
				err := runSQL(context.WithoutCancel(ctx), pool, sql)
				w.pausing.RUnlock()
				if err != nil {
					t.Errorf("the application's statement failed: %v\n%s", err, sql)
					return
				}
				select {
				case <-ctx.Done():
				case <-time.After(2 * time.Millisecond):
				}
			}
		})
	}
	stopped := sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stopped)
	return stopped
}

// evolve has the application build on what Migrate added, and drop that again once Uninstall refused, and rename its tables
// and columns, sometimes with another Migrate. The names are as they were after undo.
func (w *application) evolve(t *testing.T, url string, store *postgres.Store) (undo func()) {
	t.Helper()
	pool := connect(t, url)
	mustRun(t, pool, fmt.Sprintf(`CREATE VIEW report AS SELECT * FROM sessions_cleanup_view; CREATE VIEW gone AS SELECT deactivated_at FROM %[1]s;
		CREATE INDEX by_end ON %[1]s (tenant, deactivated_at); ALTER TABLE %[1]s ADD remark text`, w.table))
	if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil { // with one column more
		t.Errorf("Migrate beside a view on its own: %v", err)
	}
	before := dump(t, url)
	err := store.Uninstall(t.Context())
	if !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), "has to drop: index public.by_end, view public.gone, view public.report;") {
		t.Errorf("Uninstall fails with %v, want an ErrInvalid that lists by_end, gone and report", err)
	}
	if diff := cmp.Diff(before, dump(t, url)); diff != "" {
		t.Errorf("after the refusal (-before +after):\n%s", diff)
	}
	mustRun(t, pool, fmt.Sprintf("DROP VIEW report, gone; DROP INDEX by_end; ALTER TABLE %s DROP remark", w.table))
	again := w.random.IntN(2) == 0
	var back []string
	rename := func(table, from, to string) {
		back = append(back, fmt.Sprintf("ALTER TABLE %s RENAME %s TO %s", table, to, from))
		mustRun(t, pool, fmt.Sprintf("ALTER TABLE %s RENAME %s TO %s", table, from, to))
	}
	for name := range w.times {
		if w.random.IntN(2) == 0 {
			rename(w.table, name, "its_"+name)
		}
	}
	for _, src := range w.sources {
		if w.random.IntN(2) == 0 {
			rename(src.name, src.column, "its_room")
		}
	}
	if w.random.IntN(2) == 0 && w.schema.IsZero() { // a schema that is given names the table
		rename(w.table, "", "rooms")
		back[len(back)-1] = "ALTER TABLE rooms RENAME TO " + w.table
	}
	if again {
		if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); err != nil {
			t.Errorf("Migrate after renames: %v", err)
		}
	}
	return func() {
		slices.Reverse(back)
		mustRun(t, pool, strings.Join(back, "; "))
	}
}

func runSQL(ctx context.Context, pool *pgxpool.Pool, sql string) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	_, err = conn.Conn().PgConn().Exec(ctx, sql).ReadAll()
	return err
}
