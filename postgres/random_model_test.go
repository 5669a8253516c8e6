package postgres_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/runmodel"
	"github.com/sessioncleanup/sessioncleanup/postgres"
)

// model is what a random application's rows say about its sessions.
type model struct {
	*runmodel.Model
	w    *application
	pool *pgxpool.Pool
}

const (
	aDay     = runmodel.Day
	year9000 = 221845392000.0
)

// epoch is a column's time as seconds since 1970; NULL for NULL.
func epoch(column string) string {
	return fmt.Sprintf("(CASE WHEN %[1]s IS NULL THEN NULL WHEN isfinite(%[1]s) THEN extract(epoch FROM %[1]s::timestamptz)::float8 WHEN %[1]s > now() THEN 1e18 ELSE -1e18 END)", column)
}

func newModel(t *testing.T, w *application, pool *pgxpool.Pool) *model {
	m := &model{w: w, pool: pool, Model: &runmodel.Model{Sessions: map[string]*runmodel.Session{}, InUse: used, Active: "active", Changed: []string{"parent_id"},
		Tracked: w.times["last_activity"]+w.times["updated_at"]+w.times["expires_at"] != "" || len(w.sources) > 0}}
	m.Rows, m.Now, m.Tag = m.rows, m.now, m.tag
	if w.active != "" {
		m.Active = w.active
	}
	if w.stamps {
		m.Changed = append(m.Changed, "updated_at")
	}
	now := m.now(t)
	for n := 1; n <= count; n++ {
		if w.other(n) {
			continue
		}
		s := runmodel.New(n)
		s.Free = used(n) && !w.shows()
		m.Sessions[w.id(n)] = s
	}
	known := func(at *float64) bool { return at != nil && *at >= aDay && *at < year9000 }
	note := func(s *runmodel.Session, at *float64, tells bool) {
		if at == nil {
			return
		}
		s.Odd = s.Odd || *at < now-100*aDay || *at > now+25*aDay
		if tells && known(at) {
			s.Used = max(s.Used, min(*at, now))
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
		for id, at := range times(fmt.Sprintf("SELECT id::text, %s FROM %s WHERE %s", epoch(name), w.table, w.visible())) {
			s := m.Sessions[id]
			note(s, at[0], name != "expires_at")
			switch {
			case at[0] == nil:
			case name == "expires_at" && *at[0] < year9000:
				s.Expires = *at[0]
			case name == "last_activity" && *at[0] >= year9000:
				s.Forever = true
			case name == "last_activity" && known(at[0]):
				s.Stated = min(*at[0], now)
			case name == "last_activity":
				s.Stated = math.Inf(-1)
			case name == "created_at" && known(at[0]) && math.IsInf(s.Stated, -1):
				s.Stated = min(*at[0], now)
			case name == "updated_at" && known(at[0]) && len(w.sources) == 0:
				s.Stated = max(s.Stated, min(*at[0], now))
			}
		}
	}
	perhaps := map[string]float64{} // times whose column's name does not say what they are: they may count, and need not
	for _, src := range w.sources {
		at := "NULL::timestamptz"
		if src.at != "" {
			at = src.at
		}
		for id, all := range times(fmt.Sprintf("SELECT %s::text, %s FROM %s", src.column, epoch(at), src.name)) {
			for _, at := range all {
				s := m.Sessions[id]
				if note(s, at, src.known); src.known && known(at) {
					s.Stated = max(s.Stated, min(*at, now))
				} else if known(at) {
					perhaps[id] = max(perhaps[id], min(*at, now))
				}
			}
			m.Sessions[id].Pinned = m.Sessions[id].Pinned || src.pins
		}
	}
	for id, s := range m.Sessions {
		if at, ok := perhaps[id]; ok && math.IsInf(s.Used, -1) {
			s.Stated = at
		} else if ok {
			s.Stated, s.Used = min(s.Stated, s.Used), max(s.Used, at)
		}
		s.Settle(now)
	}
	if w.parent == "CASCADE" && !w.schema.SoftDelete {
		rows, err := pool.Query(t.Context(), fmt.Sprintf("SELECT id::text, parent_id::text FROM %s WHERE parent_id IS NOT NULL AND %s", w.table, w.visible()))
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent string
			if err := rows.Scan(&id, &parent); err != nil {
				t.Fatal(err)
			}
			m.Sessions[parent].Along = append(m.Sessions[parent].Along, id)
		}
	}
	if w.active != "" {
		for _, id := range value[[]string](t, pool, fmt.Sprintf("SELECT coalesce(array_agg(id::text), '{}') FROM %s WHERE %s IN (%s) AND %s", w.table, w.active, w.state("false"), w.visible())) {
			m.Sessions[id].Active = false
		}
	}
	return m
}

func (m *model) now(t *testing.T) float64 {
	return value[float64](t, m.pool, "SELECT extract(epoch FROM clock_timestamp())::float8")
}

// rows are all sessions, as JSON by column.
func (m *model) rows(t *testing.T) runmodel.Rows {
	t.Helper()
	rows, err := m.pool.Query(t.Context(), fmt.Sprintf("SELECT id::text, to_jsonb(s) FROM %s s WHERE %s", m.w.table, m.w.visible()))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := runmodel.Rows{}
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

// others are the rows that are no sessions, and were none from the beginning.
func (m *model) others(t *testing.T) []string {
	t.Helper()
	state := "''"
	if m.w.active != "" {
		state = m.w.active
	}
	return value[[]string](t, m.pool, fmt.Sprintf("SELECT coalesce(array_agg(id::text || ' ' || coalesce(%s::text, '') ORDER BY id), '{}') FROM %s WHERE name LIKE 'other %%'", state, m.w.table))
}

// sameFigures compares the figures that come from the indexes with those of the table, which a filter has it read.
func (m *model) sameFigures(t *testing.T, store *postgres.Store) {
	t.Helper()
	m.w.pausing.Lock()
	defer m.w.pausing.Unlock()
	thresholds := sessioncleanup.DefaultPolicy().Thresholds()
	thresholds.Now = time.Now()
	every := sessioncleanup.Filter{Tags: "-none"}
	indexed, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{Thresholds: thresholds})
	if err != nil {
		t.Fatal(err)
	}
	read, err := store.Counts(t.Context(), sessioncleanup.CountsQuery{Filter: every, Thresholds: thresholds})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(read, indexed); diff != "" {
		t.Errorf("figures (-of the table +of the indexes):\n%s", diff)
	}
	for _, filter := range []sessioncleanup.Filter{{}, every} {
		page, err := store.List(t.Context(), sessioncleanup.Query{Filter: filter, Status: sessioncleanup.StatusToDeactivate, Thresholds: thresholds, CountUpTo: math.MaxInt32})
		if err != nil || page.Total != read.DueForDeactivation {
			t.Errorf("a list by %+v counts %d to deactivate, %v; the figures %d", filter, page.Total, err, read.DueForDeactivation)
		}
	}
}

// ruledRun stores random rules, tags sessions and does a run: by those rules, or by others that are not stored. Meanwhile,
// sessions are tagged.
func (m *model) ruledRun(t *testing.T, store *postgres.Store, random *rand.Rand) {
	t.Helper()
	m.Rules = runmodel.RandomRules(random)
	p := runmodel.PolicyOf(m.Rules)
	if _, err := store.SetPolicy(t.Context(), sessioncleanup.Policy{Rules: p.Rules}, nil, sessioncleanup.Event{Action: sessioncleanup.ActionPolicyChanged, Actor: "admin"}); err != nil {
		t.Fatal(err)
	}
	agree := func(view func() map[string]string) {
		m.w.pausing.Lock()
		defer m.w.pausing.Unlock()
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
	agree(func() map[string]string { return m.shown(t) })
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
func (m *model) shown(t *testing.T) map[string]string {
	t.Helper()
	return value[map[string]string](t, m.pool, "SELECT coalesce(jsonb_object_agg(id::text, status), '{}') FROM sessions_cleanup_view")
}

func (m *model) tag(t *testing.T, id, tag string, add bool) {
	t.Helper()
	statement := "DELETE FROM sessioncleanup_tags WHERE session_id = %s AND tag = %s"
	if add {
		statement = "INSERT INTO sessioncleanup_tags VALUES (%s, %s) ON CONFLICT DO NOTHING"
	}
	m.exec(t, fmt.Sprintf(statement, quote(id), quote(tag)))
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
func (m *model) wrote(t *testing.T, s *runmodel.Session) {
	if m.w.stamps && len(m.w.sources) == 0 {
		s.Used, s.Stated, s.Odd = m.now(t), math.Inf(1), true
	}
}

// prepare does after the adoption what only an application of this library does: it protects sessions, closes one, and
// adds one that is inactive since an unknown time.
func (m *model) prepare(t *testing.T) {
	active := m.Active
	for _, n := range []int{1, 12, 23, 34, 46, 57} {
		s := m.Sessions[m.w.id(n)]
		m.exec(t, fmt.Sprintf("UPDATE %s SET auto_cleanup = false WHERE id = %s", m.w.table, quote(m.w.id(n))))
		s.Protected = true
	}
	for _, n := range []int{3, 4, 6, 7} {
		s := m.Sessions[m.w.id(n)]
		if s.Active {
			m.exec(t, fmt.Sprintf("UPDATE %s SET %s = %s WHERE id = %s", m.w.table, active, m.w.state("false"), quote(m.w.id(n))))
			s.Active, s.Deactivated = false, m.now(t)
			m.wrote(t, s)
		}
	}
	columns, values := "", ""
	for name := range m.w.times {
		if name != "expires_at" {
			columns, values = columns+", "+name, values+", now() - interval '60 days'"
		}
	}
	m.exec(t, fmt.Sprintf("INSERT INTO %s (id, %s%s) VALUES (%s, %s%s)", m.w.table, active, columns, quote(m.w.id(900)), m.w.state("false"), values))
	s := runmodel.New(0)
	s.Odd, s.Active, s.Deactivated = true, false, m.now(t)
	m.Sessions[m.w.id(900)] = s
}

// shift makes it some days later, by making all times in the database earlier, and uses the sessions that are in use.
func (m *model) shift(t *testing.T, days int) {
	w := m.w
	w.pausing.Lock()
	defer w.pausing.Unlock()
	now := m.now(t)
	for id := range m.rows(t) {
		if m.Sessions[id] == nil { // the application added it
			m.Sessions[id] = runmodel.Added(now)
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
	for _, s := range m.Sessions {
		s.Shift(days)
		if used(s.N) && s.N > 0 && w.shows() {
			m.exec(t, w.useSQL(s.N))
			s.Used, s.Stated = m.now(t), math.Inf(1)
		}
	}
}
