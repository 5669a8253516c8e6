package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/runmodel"
	"github.com/sessioncleanup/sessioncleanup/sqlite"
)

// told is what a row of a random application says about the n-th session.
type told struct {
	n      int
	column string         // of the sessions
	source *activityTable // or else a row of an activity table
	moment moment
	along  int // or else its deletion deletes this session
}

// year9000 is the end of time, in seconds.
const year9000 = 221845392000.0

// model is what the rows say about the sessions.
func (w *application) model(app *sql.DB) *runmodel.Model {
	m := &runmodel.Model{
		Sessions: map[string]*runmodel.Session{}, InUse: used, Active: w.activeColumn(), Changed: []string{"parent_id"},
		Rows: func(t *testing.T) runmodel.Rows { return w.read(t, app) },
		Now:  func(*testing.T) float64 { return seconds(time.Now()) },
		Tag: func(t *testing.T, id, tag string, add bool) {
			t.Helper()
			statement := "DELETE FROM sessioncleanup_tags WHERE session_id = ? AND tag = ?"
			if add {
				statement = "INSERT INTO sessioncleanup_tags VALUES (?, ?) ON CONFLICT DO NOTHING"
			}
			execute(t, app, statement, id, tag)
		},
	}
	for _, name := range []string{"last_activity", "updated_at", "expires_at"} {
		_, ok := w.times[name]
		m.Tracked = m.Tracked || ok
	}
	m.Tracked = m.Tracked || len(w.sources) > 0
	if w.stamps {
		m.Changed = append(m.Changed, "updated_at")
	}
	for n := 1; n <= count; n++ {
		if w.other(n) {
			continue
		}
		s := runmodel.New(n)
		s.Free, s.Active = used(n) && !w.shows(), !w.closed[n]
		m.Sessions[w.id.name(w.id.value(n))] = s
	}
	for _, about := range w.told {
		s := m.Sessions[w.id.name(w.id.value(about.n))]
		switch {
		case s == nil: // it is none
		case about.along > 0:
			s.Along = append(s.Along, w.id.name(w.id.value(about.along)))
		case about.source != nil:
			w.activity(s, about.source, about.moment)
		default:
			w.time(s, about.column, about.moment)
		}
	}
	for _, s := range m.Sessions {
		nothing := math.IsInf(s.Used, -1)
		s.Settle(seconds(w.now))
		if nothing { // a creation in the year 1 may count as it stands
			s.Stated = 0
		}
	}
	return m
}

func (w *application) activeColumn() string {
	if w.active == "" {
		return "active"
	}
	return w.active
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// seen is a time at which a session was used or made, but never one in the future.
func (w *application) seen(s *runmodel.Session, m moment) (at float64, ok bool) {
	s.Odd = s.Odd || m.kind > known || m.kind == known && (w.now.Sub(m.at) > 100*day || m.at.Sub(w.now) > 25*day)
	return min(seconds(m.at), seconds(w.now)), m.kind == known
}

// time notes what a time in the session's own row says. The last activity comes first.
func (w *application) time(s *runmodel.Session, column string, m moment) {
	at, ok := w.seen(s, m)
	if ok && column != "expires_at" {
		s.Used = max(s.Used, at)
	}
	switch {
	case m.kind == nothing:
	case column == "expires_at":
		switch m.kind {
		case known, epoch:
			s.Expires = max(seconds(m.at), 0)
		case unreadable: // makes nothing due
			s.Expires = year9000
		}
	case column == "last_activity" && ok:
		s.Stated = at
	case column == "last_activity":
		s.Stated, s.Forever = math.Inf(-1), m.kind == never || m.kind == unreadable
	case column == "created_at" && ok && math.IsInf(s.Stated, -1):
		s.Stated = at
	case column == "updated_at" && ok && len(w.sources) == 0:
		s.Stated = max(s.Stated, at)
	}
}

// activity notes what a row of an activity table says.
func (w *application) activity(s *runmodel.Session, source *activityTable, m moment) {
	s.Pinned = s.Pinned || source.pins
	if at, ok := w.seen(s, m); ok && source.known {
		s.Used, s.Stated = max(s.Used, at), max(s.Stated, at)
	}
}

// read reads all sessions that have an id, with their values as they are.
func (w *application) read(t *testing.T, app *sql.DB) runmodel.Rows {
	t.Helper()
	columns := lines(t, app, "SELECT name FROM pragma_table_info(?)", w.table)
	list := ""
	for _, column := range columns {
		list += fmt.Sprintf(", +%q", column) // without its type, by which the driver would read times
	}
	rows, err := app.QueryContext(t.Context(), fmt.Sprintf("SELECT %s FROM %s WHERE %s", list[2:], w.table, w.visible()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	out := runmodel.Rows{}
	for rows.Next() {
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range dest {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		row := map[string]any{}
		for i, column := range columns {
			row[column] = values[i]
		}
		out[w.id.name(row["id"])] = row
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// prepare does after the adoption what only an application of this library does: it protects sessions, closes some, and
// adds one that is inactive since an unknown time.
func (w *application) prepare(t *testing.T, app *sql.DB, m *runmodel.Model) {
	t.Helper()
	wrote := func(s *runmodel.Session) {
		if w.stamps && len(w.sources) == 0 { // the time of update that the trigger sets counts as activity
			s.Used, s.Stated, s.Forever, s.Odd = m.Now(t), math.Inf(1), false, true // also where the last activity could not be read
		}
	}
	for _, n := range []int{1, 12, 23, 34, 46, 57} {
		execute(t, app, fmt.Sprintf("UPDATE %s SET auto_cleanup = 0 WHERE id = ?", w.table), w.id.value(n))
		s := m.Sessions[w.id.name(w.id.value(n))]
		s.Protected = true
		wrote(s)
	}
	for _, n := range []int{3, 4, 6, 7} {
		s := m.Sessions[w.id.name(w.id.value(n))]
		if !s.Active {
			continue
		}
		execute(t, app, fmt.Sprintf("UPDATE %s SET %s = ? WHERE id = ?", w.table, m.Active), w.state(0), w.id.value(n))
		s.Active, s.Deactivated = false, m.Now(t)
		wrote(s)
	}
	columns, values := []string{"id", m.Active}, []any{w.id.value(900), w.state(0)}
	for name, column := range w.times {
		if name != "expires_at" {
			columns, values = append(columns, name), append(values, column.write(time.Now().Add(-60*day)))
		}
	}
	added := w.insert(columns, values)
	execute(t, app, added.sql, added.args...)
	s := runmodel.New(0)
	s.Odd, s.Active, s.Deactivated = true, false, m.Now(t)
	m.Sessions[w.id.name(w.id.value(900))] = s
}

// follow makes another activity table, of which half of the applications tell the library.
func (w *application) follow(t *testing.T, app *sql.DB, m *runmodel.Model, store *sqlite.Store) {
	t.Helper()
	if w.random.IntN(2) == 0 || !w.schema.IsZero() { // a schema that is given says which tables are followed
		return
	}
	w.pausing.Lock()
	defer w.pausing.Unlock()
	late := activityTable{name: "late", column: "session_id", at: "at", time: randomTimes(w.random, false, false), known: true}
	execute(t, app, fmt.Sprintf("CREATE TABLE late (session_id %s REFERENCES %s (id) ON DELETE CASCADE, at %s)", w.id.loose(), w.table, late.time.declared))
	made := w.now.Add(-40 * day)
	for n := 1; n <= count; n += 4 {
		row := late.insert(w.id.value(n), late.time.write(made))
		execute(t, app, row.sql, row.args...)
	}
	if err := store.Validate(t.Context()); !errors.Is(err, sessioncleanup.ErrNotInstalled) {
		t.Errorf("Validate: %v, want it to name the new table", err)
	}
	migrate(t, store)
	w.sources, m.Tracked = append(w.sources, late), true
	for n := 1; n <= count; n += 4 {
		if s := m.Sessions[w.id.name(w.id.value(n))]; s != nil {
			w.activity(s, &late, moment{kind: known, at: made})
		}
	}
}

// ruledRun stores random rules, tags sessions and does a run: by those rules, or by others that are not stored. Meanwhile,
// sessions are tagged.
func (w *application) ruledRun(t *testing.T, app *sql.DB, m *runmodel.Model, store *sqlite.Store, random *rand.Rand, view bool) {
	t.Helper()
	m.Rules = runmodel.RandomRules(random)
	p := runmodel.PolicyOf(m.Rules)
	if _, err := store.SetPolicy(t.Context(), sessioncleanup.Policy{Rules: p.Rules}, nil, sessioncleanup.Event{Action: sessioncleanup.ActionPolicyChanged, Actor: "admin"}); err != nil {
		t.Fatal(err)
	}
	agree := func(view func() map[string]string) {
		w.pausing.Lock()
		defer w.pausing.Unlock()
		m.Agree(t, store, p, view)
	}
	manage := func() *sessioncleanup.Manager {
		manager, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: p})
		if err != nil {
			t.Fatal(err)
		}
		return manager
	}
	m.Retag(t, random, 60, manage())
	agree(map[bool]func() map[string]string{true: func() map[string]string { return w.shown(t, app) }}[view])
	if random.IntN(2) == 0 {
		m.Rules = runmodel.RandomRules(random)
		p = runmodel.PolicyOf(m.Rules)
		agree(nil)
	}
	batches := 0
	m.Filter = runmodel.RandomFilter(random)
	m.Run(t, manage(), func() {
		if batches++; batches < 10 {
			m.Retag(t, random, 20, nil)
		}
	})
	m.Filter = ""
	agree(nil)
}

// shown are the statuses that the view has, by session.
func (w *application) shown(t *testing.T, app *sql.DB) map[string]string {
	t.Helper()
	all := map[string]string{}
	rows, err := app.QueryContext(t.Context(), "SELECT +id, status FROM sessions_cleanup_view WHERE id IS NOT NULL")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id any
		var status string
		if err := rows.Scan(&id, &status); err != nil {
			t.Fatal(err)
		}
		all[w.id.name(id)] = status
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// shift makes it some days later, by making all times in the database earlier, and uses the sessions that are in use.
func (w *application) shift(t *testing.T, app *sql.DB, m *runmodel.Model, days int) {
	t.Helper()
	w.pausing.Lock()
	defer w.pausing.Unlock()
	for id := range m.Rows(t) {
		if m.Sessions[id] == nil { // the application added it
			m.Sessions[id] = runmodel.Added(m.Now(t))
		}
	}
	db, err := app.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run := func(sql string) {
		t.Helper()
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	run("BEGIN IMMEDIATE")
	run("UPDATE sessioncleanup_settings SET writing = 1") // so that the library's triggers do nothing
	if w.stamps {
		run("DROP TRIGGER stamp")
	}
	tables := map[string][]string{
		w.table: {"last_activity", "expires_at", "deactivated_at"}, "sessioncleanup_events": {"at"}, "sessioncleanup_touches": {"at", "deactivated_at"},
	}
	for _, name := range []string{"created_at", "updated_at"} {
		if _, ok := w.times[name]; ok {
			tables[w.table] = append(tables[w.table], name)
		}
	}
	for _, s := range w.sources {
		if s.at != "" {
			tables[s.name] = []string{s.at}
		}
	}
	for table, columns := range tables {
		for _, column := range columns {
			run(fmt.Sprintf("UPDATE %s SET %s = shifted(%[2]s, %d)", table, column, days))
		}
	}
	if w.stamps {
		run(w.ddl[1])
	}
	run("UPDATE sessioncleanup_settings SET writing = 0")
	run("COMMIT")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Sessions {
		s.Shift(days)
		if s.N > 0 && used(s.N) && w.shows() {
			use := w.use(s.N)
			execute(t, app, use.sql, use.args...)
			s.Used, s.Stated = m.Now(t), math.Inf(1)
		}
	}
}
