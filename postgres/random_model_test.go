package postgres_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
)

// model says what runs may do and must do to the sessions of a random application, in terms of the application's own rows
// and statements. All its times are seconds since 1970; an unknown one is -Inf.
type model struct {
	w        *application
	pool     *pgxpool.Pool
	tracked  bool
	sessions map[string]*modeled
}

type modeled struct {
	n           int // of the sessions that were there; 0 for later ones
	active      bool
	protected   bool
	forever     bool    // its last activity stands for never ending
	odd         bool    // some time of it is unusual: it may be changed, and need not be
	free        bool    // the model does not know when it was used
	pinned      bool    // a row of another table keeps it from being deleted
	used        float64 // the latest sign of use
	stated      float64 // what the application's own last_activity says, unless activity tables say later; +Inf without one
	expires     float64 // +Inf: never
	deactivated float64
	along       []string // what its deletion deletes
}

const (
	aDay      = 24 * 3600.0
	year9999  = 253370764800.0
	inactive  = aDay
	deleteAge = 30 * aDay
)

// epoch is a column's time as seconds since 1970; NULL for NULL.
func epoch(column string) string {
	return fmt.Sprintf("(CASE WHEN %[1]s IS NULL THEN NULL WHEN isfinite(%[1]s) THEN extract(epoch FROM %[1]s::timestamptz)::float8 WHEN %[1]s > now() THEN 1e18 ELSE -1e18 END)", column)
}

func newModel(t *testing.T, w *application, pool *pgxpool.Pool) *model {
	m := &model{w: w, pool: pool, sessions: map[string]*modeled{},
		tracked: w.times["last_activity"]+w.times["updated_at"]+w.times["expires_at"] != "" || len(w.sources) > 0}
	now := m.now(t)
	for n := 1; n <= count; n++ {
		m.sessions[w.id(n)] = &modeled{n: n, active: true, used: math.Inf(-1), stated: math.Inf(1), expires: math.Inf(1), deactivated: math.Inf(-1), free: used(n) && !w.shows()}
	}
	known := func(at *float64) bool { return at != nil && *at >= aDay && *at < year9999 }
	note := func(s *modeled, at *float64, tells bool) {
		if at == nil {
			return
		}
		s.odd = s.odd || *at < now-100*aDay || *at > now+25*aDay
		if tells && known(at) {
			s.used = max(s.used, min(*at, now))
		}
	}
	times := func(sql string) map[string][]*float64 {
		rows, err := pool.Query(t.Context(), sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		defer rows.Close()
		out := map[string][]*float64{}
		for rows.Next() {
			var id string
			var at *float64
			if err := rows.Scan(&id, &at); err != nil {
				t.Fatal(err)
			}
			out[id] = append(out[id], at)
		}
		return out
	}
	for _, name := range []string{"last_activity", "created_at", "updated_at", "expires_at"} {
		if w.times[name] == "" {
			continue
		}
		for id, at := range times(fmt.Sprintf("SELECT id::text, %s FROM %s", epoch(name), w.table)) {
			s := m.sessions[id]
			note(s, at[0], name != "expires_at")
			switch {
			case at[0] == nil:
			case name == "expires_at" && *at[0] < year9999:
				s.expires = *at[0]
			case name == "last_activity" && *at[0] >= year9999:
				s.forever = true
			case name == "last_activity" && known(at[0]):
				s.stated = min(*at[0], now)
			case name == "last_activity":
				s.stated = math.Inf(-1)
			case name == "created_at" && known(at[0]) && math.IsInf(s.stated, -1):
				s.stated = min(*at[0], now)
			case name == "updated_at" && known(at[0]) && len(w.sources) == 0:
				s.stated = max(s.stated, min(*at[0], now))
			}
		}
	}
	perhaps := map[string]float64{} // times whose column's name does not say what they are: they count where nothing else does
	for _, src := range w.sources {
		at := "NULL::timestamptz"
		if src.at != "" {
			at = src.at
		}
		for id, all := range times(fmt.Sprintf("SELECT %s::text, %s FROM %s", src.column, epoch(at), src.name)) {
			for _, at := range all {
				s := m.sessions[id]
				if note(s, at, src.known); src.known && known(at) {
					s.stated = max(s.stated, min(*at, now))
				} else if known(at) {
					perhaps[id] = max(perhaps[id], min(*at, now))
				}
			}
			m.sessions[id].pinned = m.sessions[id].pinned || src.pins
		}
	}
	for id, s := range m.sessions {
		if math.IsInf(s.used, -1) {
			s.odd, s.used = true, now
			if at, ok := perhaps[id]; ok {
				s.stated = at
			}
		}
		if math.IsInf(s.stated, -1) { // nothing but a time that stands for none
			s.stated = math.Inf(1)
		}
	}
	if w.parent == "CASCADE" {
		rows, err := pool.Query(t.Context(), fmt.Sprintf("SELECT id::text, parent_id::text FROM %s WHERE parent_id IS NOT NULL", w.table))
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent string
			if err := rows.Scan(&id, &parent); err != nil {
				t.Fatal(err)
			}
			m.sessions[parent].along = append(m.sessions[parent].along, id)
		}
	}
	if w.active != "" {
		for _, id := range value[[]string](t, pool, fmt.Sprintf("SELECT coalesce(array_agg(id::text), '{}') FROM %s WHERE NOT %s", w.table, w.active)) {
			m.sessions[id].active = false
		}
	}
	return m
}

func (m *model) now(t *testing.T) float64 {
	return value[float64](t, m.pool, "SELECT extract(epoch FROM clock_timestamp())::float8")
}

// rows are all sessions, as JSON by column.
func (m *model) rows(t *testing.T) map[string]map[string]any {
	t.Helper()
	rows, err := m.pool.Query(t.Context(), fmt.Sprintf("SELECT id::text, to_jsonb(s) FROM %s s", m.w.table))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]map[string]any{}
	for rows.Next() {
		var id string
		var row map[string]any
		if err := rows.Scan(&id, &row); err != nil {
			t.Fatal(err)
		}
		out[id] = row
	}
	return out
}

// sameRows fails unless the sessions that the application does not use have the values that they had, in the columns that
// are there before and after. Migrate may correct the last activity.
func (m *model) sameRows(t *testing.T, what string, before map[string]map[string]any) {
	t.Helper()
	after := m.rows(t)
	for id, s := range m.sessions {
		if s.n == 0 || used(s.n) {
			continue
		}
		for column, was := range before[id] {
			is, kept := after[id][column]
			if kept && !cmp.Equal(was, is) && (column != "last_activity" || what != "Migrate") {
				t.Errorf("%s changed %s of session %s from %v to %v", what, column, id, was, is)
			}
		}
	}
}

// exec runs statements of the application.
func (m *model) exec(t *testing.T, sql string) {
	t.Helper()
	if err := runSQL(t.Context(), m.pool, sql); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

// wrote notes that the application wrote a session's own row: where no other table shows activity, and a trigger sets
// updated_at, that counts.
func (m *model) wrote(t *testing.T, s *modeled) {
	if m.w.stamps && len(m.w.sources) == 0 {
		s.used, s.stated, s.odd = m.now(t), math.Inf(1), true
	}
}

// prepare does after the adoption what only an application of this library does: it protects sessions, closes one, and
// adds one that is inactive since an unknown time.
func (m *model) prepare(t *testing.T) {
	active := m.w.active
	if active == "" {
		active = "active"
	}
	for _, n := range []int{1, 12, 23, 34, 46, 57} {
		s := m.sessions[m.w.id(n)]
		m.exec(t, fmt.Sprintf("UPDATE %s SET auto_cleanup = false WHERE id = %s", m.w.table, quote(m.w.id(n))))
		s.protected = true
	}
	for _, n := range []int{3, 4, 6, 7} {
		s := m.sessions[m.w.id(n)]
		if s.active {
			m.exec(t, fmt.Sprintf("UPDATE %s SET %s = false WHERE id = %s", m.w.table, active, quote(m.w.id(n))))
			s.active, s.deactivated = false, m.now(t)
			m.wrote(t, s)
		}
	}
	columns, values := "", ""
	for name := range m.w.times {
		if name != "expires_at" {
			columns, values = columns+", "+name, values+", now() - interval '60 days'"
		}
	}
	m.exec(t, fmt.Sprintf("INSERT INTO %s (id, %s%s) VALUES (%s, false%s)", m.w.table, active, columns, quote(m.w.id(900)), values))
	m.sessions[m.w.id(900)] = &modeled{odd: true, used: math.Inf(-1), stated: math.Inf(1), expires: math.Inf(1), deactivated: m.now(t)}
}

// shift makes it some days later, by making all times in the database earlier, and uses the sessions that are in use.
func (m *model) shift(t *testing.T, days int) {
	w := m.w
	w.pausing.Lock()
	defer w.pausing.Unlock()
	now := m.now(t)
	for id := range m.rows(t) {
		if m.sessions[id] == nil { // the application added it
			m.sessions[id] = &modeled{active: true, odd: true, free: true, used: now, stated: now, expires: math.Inf(1), deactivated: now}
		}
	}
	var script strings.Builder
	script.WriteString("BEGIN; SET LOCAL session_replication_role = replica;\n")
	script.WriteString(value[string](t, m.pool, `
		SELECT coalesce(string_agg(format('UPDATE %s SET %s;', table_name, sets), E'\n'), '')
		  FROM (SELECT c.table_name, string_agg(format('%1$I = CASE WHEN %1$I > ''1970-01-03'' AND %1$I < ''9000-01-01'' THEN (%1$I - interval ''`+fmt.Sprint(days)+` days'')::%2$s ELSE %1$I END',
		               c.column_name, c.data_type), ', ') AS sets
		          FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
		         WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND (c.data_type LIKE 'timestamp%' OR c.data_type = 'date')
		           AND (t.table_name NOT LIKE 'sessioncleanup%' OR t.table_name IN ('sessioncleanup_events', 'sessioncleanup_touches'))
		         GROUP BY c.table_name) u`))
	script.WriteString("COMMIT")
	m.exec(t, script.String())
	for _, s := range m.sessions {
		for _, at := range []*float64{&s.used, &s.stated, &s.expires, &s.deactivated} {
			*at -= float64(days) * aDay
		}
		if used(s.n) && s.n > 0 && w.shows() {
			m.exec(t, w.useSQL(s.n))
			s.used, s.stated = m.now(t), math.Inf(1)
		}
	}
}

// mayDeactivate and mayDelete take the application's own last_activity at its word; a session is surely due when nothing
// at all shows a later use.
func (m *model) mayDeactivate(s *modeled, now float64) bool {
	return s.free || m.toDeactivate(s, now+60, min(s.used, s.stated))
}

func (m *model) mayDelete(s *modeled, now float64) bool {
	return s.free || m.toDelete(s, now+60, min(s.used, s.stated))
}

func (m *model) surelyDeactivated(s *modeled, now float64) bool {
	return !s.free && !s.odd && m.toDeactivate(s, now-120, s.used)
}

func (m *model) surelyDeleted(s *modeled, now float64) bool {
	return !s.free && !s.odd && m.toDelete(s, now-120, s.used)
}

func (m *model) toDeactivate(s *modeled, now, used float64) bool {
	return s.active && !s.protected && (s.expires <= now || m.tracked && !s.forever && used < now-inactive)
}

func (m *model) toDelete(s *modeled, now, used float64) bool {
	kept, expires := max(used, s.deactivated), !math.IsInf(s.expires, 1)
	if expires {
		kept = max(kept, s.expires)
	}
	return !s.active && !s.protected && !s.forever && (m.tracked || expires) && kept < now-deleteAge
}

// all reports whether something holds for a session and everything that its deletion deletes.
func (m *model) all(id string, holds func(*modeled) bool) bool {
	s := m.sessions[id]
	return s == nil || holds(s) && !slices.ContainsFunc(s.along, func(id string) bool { return !m.all(id, holds) })
}

// run does one run and compares what it did with what it may and must do.
func (m *model) run(t *testing.T, manager *sessioncleanup.Manager) {
	t.Helper()
	before, now := m.rows(t), m.now(t)
	result, err := manager.Cleanup(t.Context(), sessioncleanup.Run{Force: true})
	if err != nil {
		t.Fatalf("the run fails: %v", err)
	}
	after := m.rows(t)
	events, err := manager.Events(t.Context(), sessioncleanup.EventQuery{RunID: result.RunID, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	logged := map[string]sessioncleanup.Action{}
	for _, e := range events {
		for _, ref := range e.Sessions {
			if e.Action == sessioncleanup.ActionDeleted || e.Action == sessioncleanup.ActionDeactivated {
				logged[ref.ID] = e.Action
			}
		}
	}
	named := map[string]string{}
	for _, f := range result.Failures {
		named[f.SessionID] = f.Error
	}
	for _, s := range result.Skipped {
		named[s.SessionID] = s.Reason
	}
	active := m.w.active
	if active == "" {
		active = "active"
	}
	for id := range after {
		if before[id] == nil && logged[id] != "" {
			t.Errorf("session %s, made a moment ago, was %s", id, logged[id])
		}
	}
	var then []func() // what becomes of the model, once all sessions were looked at
	for id, was := range before {
		s := m.sessions[id]
		if s == nil {
			s = &modeled{odd: true, used: now, stated: now, expires: math.Inf(1), deactivated: now, active: was[active] != false}
		}
		is, left := after[id]
		may := func(s *modeled) bool { return m.mayDelete(s, now) }
		sure := func(s *modeled) bool { return m.surelyDeleted(s, now) }
		switch {
		case !left && logged[id] != sessioncleanup.ActionDeleted:
			t.Errorf("session %s is gone, and the log says %q", id, logged[id])
		case !left && (!may(s) || m.sessions[id] != nil && !m.all(id, may)):
			t.Errorf("session %s was deleted: %s\n%v", id, s.words(now), was)
		case !left:
			then = append(then, func() { delete(m.sessions, id) })
		case logged[id] == sessioncleanup.ActionDeleted:
			t.Errorf("session %s is there, and the log says that it was deleted", id)
		case was[active] != false && is[active] == false:
			if logged[id] != sessioncleanup.ActionDeactivated {
				t.Errorf("session %s was deactivated, and the log says %q", id, logged[id])
			}
			if !m.mayDeactivate(s, now) {
				t.Errorf("session %s was deactivated: %s\n%v", id, s.words(now), was)
			}
			then = append(then, func() { s.active, s.deactivated = false, now })
		case m.sessions[id] != nil && m.all(id, sure) && named[id] == "":
			t.Errorf("session %s was not deleted, and nothing says so: %s\n%v", id, s.words(now), was)
		case m.surelyDeactivated(s, now) && named[id] == "":
			t.Errorf("session %s was not deactivated, and nothing says so: %s\n%v", id, s.words(now), was)
		}
		for column := range was {
			own := column == active || column == "deactivated_at" || column == "parent_id" || column == "updated_at" && m.w.stamps
			if left && !own && s.n > 0 && !used(s.n) && (column != "last_activity" || !s.odd) && !cmp.Equal(was[column], is[column]) {
				t.Errorf("the run changed %s of session %s from %v to %v", column, id, was[column], is[column])
			}
		}
	}
	for _, change := range then {
		change()
	}
}

func (s *modeled) words(now float64) string {
	ago := func(at float64) string {
		if math.IsInf(at, 0) {
			return "never"
		}
		return time.Duration((now-at)*1e9).Round(time.Minute).String() + " ago"
	}
	return fmt.Sprintf("active %t, protected %t, used %s, stated %s, expires %s, deactivated %s, pinned %t, along %v",
		s.active, s.protected, ago(s.used), ago(s.stated), ago(s.expires), ago(s.deactivated), s.pinned, s.along)
}
