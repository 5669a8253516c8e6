package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/runmodel"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

var seeds = flag.Uint64("seeds", 10, "how many random schemas are adopted")

// TestRunsOnRandomSchemasStayWithinTheRules adopts random tables with random rows while the application writes, and holds
// three runs, ten and then forty days apart, against a model of what they may do and must do.
func TestRunsOnRandomSchemasStayWithinTheRules(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Random)
	for seed := range *seeds {
		t.Run(fmt.Sprint("seed ", seed+1), func(t *testing.T) {
			t.Parallel()
			w := randomApplication(rand.New(rand.NewPCG(seed+1, 14)), time.Now())
			path, app := newApp(t, append([]string{"PRAGMA journal_mode = wal"}, w.ddl...)...)
			for _, row := range w.rows {
				execute(t, app, row.sql, row.args...)
			}
			defer func() {
				if t.Failed() {
					t.Logf("the application's tables:\n%s", strings.Join(w.ddl, ";\n"))
				}
			}()
			store := open(t, path, sqlite.Config{Schema: w.schema, Migrate: sessioncleanup.MigrateOptions{View: seed%2 == 0}})
			others := w.others(t, app)
			if w.refused {
				before := dump(t, app, true)
				if err := store.Migrate(t.Context(), sessioncleanup.Policy{}); !errors.Is(err, sessioncleanup.ErrInvalid) {
					t.Errorf("Migrate fails with %v, want an ErrInvalid", err)
				}
				if diff := cmp.Diff(before, dump(t, app, true)); diff != "" {
					t.Errorf("after the refusal (-before +after):\n%s", diff)
				}
				return
			}
			before := dump(t, app, false)
			model := w.model(app)
			rows := model.Rows(t)
			stop := w.write(t, app)
			migrate(t, store)
			model.SameRows(t, "Migrate", rows, "last_activity")
			if err := store.Validate(t.Context()); w.faulty != errors.Is(err, sessioncleanup.ErrInvalid) && (w.faulty || !w.unsaid) || errors.Is(err, sessioncleanup.ErrNotInstalled) {
				t.Errorf("Validate: %v; want an ErrInvalid: %t", err, w.faulty)
			}
			w.prepare(t, app, model)
			w.follow(t, app, model, store)
			random := rand.New(rand.NewPCG(seed+1, 15))
			for _, days := range []int{0, 10, 40} {
				w.shift(t, app, model, days)
				w.ruledRun(t, app, model, store, random, seed%2 == 0)
			}
			if diff := cmp.Diff(others, w.others(t, app)); diff != "" {
				t.Errorf("rows that are no sessions (-before +after):\n%s", diff)
			}
			rows = model.Rows(t)
			if err := store.Uninstall(t.Context()); err != nil {
				t.Fatal(err)
			}
			model.SameRows(t, "Uninstall", rows)
			stop()
			execute(t, app, "DROP TABLE IF EXISTS late")
			if diff := cmp.Diff(before, dump(t, app, false)); diff != "" {
				t.Errorf("after Uninstall (-before +after):\n%s", diff)
			}
		})
	}
}

// application is the random database of an application.
type application struct {
	random   *rand.Rand
	now      time.Time
	table    string
	strict   bool
	id       ids
	active   string                // column; empty for none
	schema   sessioncleanup.Schema // what the application says of its table; zero: nothing
	times    map[string]timeColumn // created_at, updated_at, last_activity and expires_at, of those there are
	parent   string                // what a deletion does to the rows with this parent: CASCADE, SET NULL, or nothing
	stamps   bool                  // a trigger sets updated_at
	sources  []activityTable
	refused  bool         // it cannot be adopted
	faulty   bool         // Validate reports what is wrong with its data
	unsaid   bool         // some last activity stands for none: Validate reports that where nothing else is known of the session
	nameless bool         // a session has no id
	closed   map[int]bool // the sessions that are inactive
	ddl      []string
	rows     []statement
	told     []told // the times in the rows

	pausing sync.RWMutex // held for reading by each statement of the application
}

type statement struct {
	sql  string
	args []any
}

type activityTable struct {
	name, column string
	pins         bool   // its rows keep sessions from being deleted
	at           string // the time column, quoted; empty for none
	time         timeColumn
	known        bool // the time column has a name or a type that says what it holds
}

const count = 60 // sessions that are there before the adoption

// used reports whether the application uses the n-th session all the time.
func used(n int) bool { return n%5 == 0 }

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

var timeColumns = []string{"last_activity", "created_at", "updated_at", "expires_at"}

func randomApplication(r *rand.Rand, now time.Time) *application {
	w := &application{random: r, now: now.Truncate(time.Millisecond), times: map[string]timeColumn{}, closed: map[int]bool{}}
	w.table = pick(r, "sessions", "sessions", "live_sessions")
	w.strict = r.IntN(4) == 0
	w.id = randomIDs(r, w.strict)
	w.active = pick(r, "", "active", "active", "is_active")
	w.conditions(r)
	w.parent = pick(r, "", "", "CASCADE", "CASCADE", "SET NULL", "none")
	for _, name := range timeColumns {
		if r.IntN(3) > 0 {
			w.times[name] = randomTimes(r, w.strict, name == "created_at")
		}
	}
	_, updates := w.times["updated_at"]
	w.stamps = updates && r.IntN(2) == 0
	w.makeTables()
	w.makeRows()
	return w
}

// conditions makes some tables those of applications that have states in words, other rows beside the sessions, or soft
// deletion.
func (w *application) conditions(r *rand.Rand) {
	if w.active != "" && r.IntN(3) == 0 {
		w.schema.State = &sessioncleanup.State{Active: []string{"open", "paused"}, Deactivated: runmodel.Closed}
		w.schema.Active = w.active
	}
	if r.IntN(3) == 0 {
		w.schema.Only = []sessioncleanup.Only{{Column: "kind", Values: []string{"room", "stage"}}}
	}
	if r.IntN(4) == 0 {
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

// state is a value of the column that says whether a session is active.
func (w *application) state(value any) any {
	if w.schema.State == nil || value == nil {
		return value
	}
	return map[any]any{0: runmodel.Closed, 1: pick(w.random, w.schema.State.Active...)}[value]
}

// visible is the condition for a row to be a session.
func (w *application) visible() string {
	condition := "id IS NOT NULL"
	if w.schema.Only != nil {
		condition += " AND kind IN ('room', 'stage')"
	}
	if w.schema.SoftDelete {
		condition += " AND removed_at IS NULL"
	}
	return condition
}

// others are the rows that are no sessions, and were none from the beginning.
func (w *application) others(t *testing.T, app *sql.DB) []string {
	t.Helper()
	state := "''"
	if w.active != "" {
		state = w.active
	}
	return lines(t, app, fmt.Sprintf("SELECT hex(id) || ' ' || coalesce(%s, '') || ' ' || name FROM %s WHERE name LIKE 'other %%' ORDER BY 1", state, w.table))
}

func (w *application) makeTables() {
	r := w.random
	var ddl strings.Builder
	key, options := "PRIMARY KEY", []string{}
	switch {
	case r.IntN(12) == 0: // two sessions may have the same id
		key, w.refused = "NOT NULL", true
	case !w.id.rowid && r.IntN(3) == 0:
		key = "NOT NULL UNIQUE"
	case w.id.kind == "text" && !w.strict && r.IntN(3) == 0:
		w.nameless, w.faulty = true, true
	case !w.id.rowid:
		key += " NOT NULL"
		if r.IntN(2) == 0 {
			options = append(options, "WITHOUT ROWID")
		}
	}
	fmt.Fprintf(&ddl, "CREATE TABLE %s (id %s %s, name TEXT, tenant INT NOT NULL DEFAULT 7", w.table, w.id.declared, key)
	if r.IntN(2) == 0 {
		ddl.WriteString(", owner_id " + pick(r, "TEXT", "INTEGER", "BLOB"))
	}
	if w.active != "" {
		declared, preset := pick(r, "BOOLEAN", "INTEGER", "INT", "BOOL"), pick(r, "", " DEFAULT 1", " DEFAULT 0")
		if w.strict {
			declared = "INTEGER"
		}
		if w.schema.State != nil {
			declared, preset = "TEXT", map[string]string{"": "", " DEFAULT 1": " DEFAULT 'open'", " DEFAULT 0": " DEFAULT 'closed'"}[preset]
		}
		ddl.WriteString(", " + w.active + " " + declared + preset)
	}
	for _, name := range timeColumns {
		if c, ok := w.times[name]; ok {
			ddl.WriteString(", " + name + " " + c.declared)
		}
	}
	if w.schema.Only != nil {
		ddl.WriteString(", kind TEXT DEFAULT 'room'")
	}
	if w.schema.SoftDelete {
		ddl.WriteString(", removed_at TEXT")
	}
	if w.parent != "" {
		ddl.WriteString(", parent_id " + w.id.declared)
		if w.parent != "none" && !w.refused {
			fmt.Fprintf(&ddl, " REFERENCES %s (id) ON DELETE %s", w.table, w.parent)
		}
	}
	ddl.WriteString(", UNIQUE (tenant, id))")
	if w.strict {
		options = append(options, "STRICT")
	}
	w.ddl = append(w.ddl, ddl.String()+" "+strings.Join(options, ", "))
	if w.stamps {
		w.ddl = append(w.ddl, fmt.Sprintf("CREATE TRIGGER stamp AFTER UPDATE ON %s WHEN NEW.updated_at IS OLD.updated_at BEGIN UPDATE %[1]s SET updated_at = %s WHERE id IS NEW.id; END",
			w.table, w.times["updated_at"].nowSQL()))
	}
	for n := range r.IntN(4) {
		w.sources = append(w.sources, w.randomSource(n))
	}
	if len(w.sources) > 0 && !w.refused {
		w.ddl = append(w.ddl, fmt.Sprintf("CREATE TABLE likes (id INTEGER PRIMARY KEY, of REFERENCES %s (id) ON DELETE %s)", w.sources[0].name, pick(r, "CASCADE", "SET NULL")), "CREATE INDEX likes_of ON likes (of)")
	}
}

func (w *application) randomSource(n int) activityTable {
	r := w.random
	s := activityTable{name: []string{"votes", "messages", "plays"}[n], column: pick(r, "session_id", strings.TrimSuffix(w.table, "s")+"_id")}
	action := pick(r, "", "ON DELETE CASCADE", "ON DELETE CASCADE", "ON DELETE CASCADE", "ON DELETE SET NULL", "ON DELETE RESTRICT", "DEFERRABLE INITIALLY DEFERRED")
	s.pins = action == "DEFERRABLE INITIALLY DEFERRED" || action == "ON DELETE RESTRICT"
	w.faulty = w.faulty || s.pins && !w.schema.SoftDelete
	key := fmt.Sprintf(", FOREIGN KEY (%s) REFERENCES %s (id) %s", s.column, w.table, action)
	switch {
	case action == "" || w.refused:
		key = ""
	case r.IntN(4) == 0 && action != "ON DELETE SET NULL":
		key = fmt.Sprintf(", FOREIGN KEY (tenant, %s) REFERENCES %s (tenant, id) %s", s.column, w.table, action)
	}
	s.at = pick(r, "created_at", "played_at", `"votedAt"`, "sent_at", "at", "moment", "")
	strict := r.IntN(4) == 0
	s.time = randomTimes(r, strict, true)
	s.known = s.at != "" && (s.at != "moment" || strings.Contains(s.time.declared, "DATE") || strings.Contains(s.time.declared, "TIME"))
	session, at, options := w.id.loose(), "", []string{}
	if r.IntN(3) == 0 {
		session = ""
	}
	if strict {
		session, options = w.id.strict(), append(options, "STRICT")
	}
	primary := "id INTEGER PRIMARY KEY"
	if r.IntN(4) == 0 {
		primary, options = "id TEXT PRIMARY KEY DEFAULT (lower(hex(randomblob(8)))) NOT NULL", append(options, "WITHOUT ROWID")
	}
	if s.at != "" {
		at = ", " + s.at + " " + s.time.declared
	}
	w.ddl = append(w.ddl, fmt.Sprintf("CREATE TABLE %s (%s, tenant INT NOT NULL DEFAULT 7, %s %s%s%s) %s", s.name, primary, s.column, session, at, key, strings.Join(options, ", ")),
		fmt.Sprintf("CREATE INDEX %s_session ON %[1]s (%s)", s.name, s.column))
	return s
}

func (w *application) insert(columns []string, values []any) statement {
	return statement{fmt.Sprintf("INSERT INTO %s (%s) VALUES (?%s)", w.table, strings.Join(columns, ", "), strings.Repeat(", ?", len(values)-1)), values}
}

func (w *application) makeRows() {
	r := w.random
	for n := 1; n <= count; n++ {
		odd, idle := r.IntN(2) == 0, pick(r, 0, 3, 3, 45, 60, 60)
		columns, values := []string{"id", "name"}, []any{w.id.value(n), fmt.Sprint("session ", n)}
		add := func(column string, value any) { columns, values = append(columns, column), append(values, value) }
		if w.active != "" {
			state := pick[any](r, 1, 0, 0, nil)
			if used(n) {
				state = 1
			}
			add(w.active, w.state(state))
			w.closed[n] = state == 0
		}
		if w.other(n) {
			values[1] = fmt.Sprint("other ", n)
			if w.schema.Only != nil {
				add("kind", "draft")
			} else {
				add("removed_at", "2024-01-01 10:00:00")
			}
		}
		for _, name := range timeColumns {
			column, ok := w.times[name]
			days := map[string]int{"created_at": idle + 10, "expires_at": pick(r, 1, 45, -20)}[name]
			if days == 0 {
				days = idle
			}
			if !ok || name == "expires_at" && (used(n) || r.IntN(2) == 0) {
				continue
			}
			m := w.moment(column, odd, days)
			add(name, m.value)
			w.tell(told{n: n, column: name, moment: m})
		}
		parent := 0
		if w.parent != "" && n > 1 && r.IntN(3) == 0 && !w.other(n) {
			parent = 1 + r.IntN(n-1)
			add("parent_id", w.id.value(parent))
		}
		w.rows = append(w.rows, w.insert(columns, values))
		if w.parent == "CASCADE" && parent > 0 && !w.schema.SoftDelete {
			w.tell(told{n: parent, along: n})
		}
		for i := range w.sources {
			s := &w.sources[i]
			if r.IntN(3) > 0 {
				continue
			}
			m := w.moment(s.time, odd, pick(r, idle, idle+5))
			w.rows = append(w.rows, s.insert(w.id.value(n), m.value))
			if s.at == "" {
				m = moment{}
			}
			w.tell(told{n: n, source: s, moment: m})
			w.rows = append(w.rows, s.insert(nil, m.value)) // no session's
			if i == 0 && !w.refused {
				w.rows = append(w.rows, statement{sql: fmt.Sprintf("INSERT INTO likes (of) SELECT max(id) FROM %s", s.name)})
			}
		}
	}
	if w.nameless {
		w.rows = append(w.rows, statement{sql: fmt.Sprintf("INSERT INTO %s (name) VALUES ('nobody can name it')", w.table)})
	}
}

func (w *application) tell(m told) {
	w.told = append(w.told, m)
	// What cannot be read is reported where runs would need it.
	if m.moment.kind == unreadable && !w.other(m.n) && (m.column == "last_activity" || m.column == "expires_at") {
		w.faulty = true
	}
	w.unsaid = w.unsaid || m.moment.kind == zero && m.column == "last_activity"
}

func (s *activityTable) insert(id, at any) statement {
	if s.at == "" {
		return statement{fmt.Sprintf("INSERT INTO %s (%s) VALUES (?)", s.name, s.column), []any{id}}
	}
	return statement{fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES (?, ?)", s.name, s.column, s.at), []any{id, at}}
}

// use is a statement that uses a session: a row of an activity table or, without one, a write of the session's own row. It
// is empty where nothing would show the use.
func (w *application) use(n int) statement {
	if len(w.sources) > 0 {
		s := &w.sources[n%len(w.sources)]
		return s.insert(w.id.value(n), s.time.write(time.Now()))
	}
	for _, name := range []string{"updated_at", "last_activity"} {
		if column, ok := w.times[name]; ok {
			return statement{fmt.Sprintf("UPDATE %s SET %s = ? WHERE id = ?", w.table, name), []any{column.write(time.Now()), w.id.value(n)}}
		}
	}
	return statement{}
}

func (w *application) shows() bool { return w.use(1).sql != "" }

// write uses and changes sessions, and adds new ones, until it is stopped. None of its statements may fail.
func (w *application) write(t *testing.T, app *sql.DB) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	random := rand.New(rand.NewPCG(1, 1))
	wg.Go(func() {
		for n := 100_000; ctx.Err() == nil; n++ {
			id := 5 * (1 + random.IntN(count/5))
			w.pausing.RLock()
			change := pick(random, w.use(id), statement{fmt.Sprintf("UPDATE %s SET name = name || '.' WHERE id = ?", w.table), []any{w.id.value(id)}},
				w.insert([]string{"id", "name"}, []any{w.id.value(n), "new"}))
			var err error
			if change.sql != "" {
				_, err = app.ExecContext(context.WithoutCancel(ctx), change.sql, change.args...)
			}
			w.pausing.RUnlock()
			if err != nil {
				t.Errorf("the application's statement failed: %v\n%s", err, change.sql)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	stopped := sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stopped)
	return stopped
}
