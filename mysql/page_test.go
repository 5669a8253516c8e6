package mysql_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/mysql"
)

// pages reads all pages of a list, and returns the ids, and the most rows of the sessions that the server read for one.
func pages(t *testing.T, store *mysql.Store, q sessioncleanup.Query, read func() int) (ids []string, most int) {
	t.Helper()
	for range 100 {
		before := read()
		page, err := store.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, read()-before)
		for _, s := range page.Sessions {
			ids = append(ids, s.ID)
		}
		if q.After = page.Next; page.Next == nil {
			return ids, most
		}
	}
	t.Fatal("the list does not end")
	return nil, 0
}

func TestAPageWithATextLooksAtALimitedNumberOfSessions(t *testing.T) {
	t.Parallel()
	store, d := adopted(t, `CREATE TABLE sessions (id VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, name TEXT, active BOOLEAN NOT NULL DEFAULT TRUE, created_at DATETIME);
		CREATE TABLE votes (id SERIAL PRIMARY KEY, session_id VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL);`)
	// 60,000 sessions, of which each 1,000 have the same times; some have none, and some are used according to a note.
	execute(t, d.DB, `SET GLOBAL userstat = 1; SET @sessioncleanup_own = 1;
		INSERT INTO sessions (id, name, active, auto_cleanup, created_at, last_activity, deactivated_at)
			SELECT IF(seq % 3, CONCAT('a', seq), CONCAT('A', seq)), IF(seq % 3900 = 7, 'find me', 'another'), seq % 4 = 0, seq % 4 < 3, IF(seq % 700, TIMESTAMP'2026-01-01 00:00:00' + INTERVAL seq DIV 1000 MINUTE, NULL),
				IF(seq % 900, TIMESTAMP'2026-01-02 00:00:00' + INTERVAL seq DIV 1000 MINUTE, NULL), IF(seq % 4, UTC_TIMESTAMP(), NULL) FROM seq_1_to_60000;
		SET @sessioncleanup_own = NULL;
		INSERT INTO votes (session_id) SELECT id FROM sessions WHERE name = 'find me' ORDER BY id LIMIT 2;
		INSERT INTO sessioncleanup_tags (session_id, tag) SELECT id, 'vip' FROM sessions WHERE name = 'find me';
		ANALYZE TABLE sessions`)
	for _, q := range []sessioncleanup.Query{
		{}, {Descending: true}, {Sort: sessioncleanup.SortCreated, Descending: true}, {Status: sessioncleanup.StatusProtected}, {Filter: sessioncleanup.Filter{Text: "nowhere"}},
	} {
		if q.Text == "" {
			q.Text = "FIND"
		}
		q.Thresholds = sessioncleanup.Policy{}.WithDefaults().Thresholds()
		whole := q
		whole.Limit, whole.Sort = 100, sessioncleanup.SortName // which reads all
		want, _ := pages(t, store, whole, func() int { return 0 })
		q.Limit = 3
		got, most := pages(t, store, q, func() int { return rowsRead(t, d) })
		if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))); diff != "" {
			t.Errorf("%+v: the pages have others than the whole list: %s", q, diff)
		}
		q.Limit = 100
		if longer, _ := pages(t, store, q, func() int { return 0 }); !slices.Equal(longer, got) {
			t.Errorf("%+v: pages of 3 are in the order %s, those of 100 in %s", q, got, longer)
		}
		if most > 20_000 { // the 4,000 and those with the same time, up to three times
			t.Errorf("%+v: a page read %d rows", q, most)
		}
	}
}
