package sessioncleanup_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

func idsOf(sessions []sessioncleanup.Session) []string {
	var ids []string
	for _, s := range sessions {
		ids = append(ids, s.ID)
	}
	return ids
}

func TestAnswerSortsSelectsAndCounts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sessions := []sessioncleanup.Session{
		{ID: "a", OwnerID: "ann", Name: "Quiz", Active: true, AutoCleanup: true, LastActivity: now.Add(-48 * time.Hour), CreatedAt: now},
		{ID: "b", OwnerID: "bob", Name: "poll", Active: true, AutoCleanup: true, LastActivity: now.Add(-time.Hour)},
		{ID: "c", OwnerID: "ann", Code: "QUIET", AutoCleanup: true, LastActivity: now.Add(-1000 * time.Hour), DeactivatedAt: now.Add(-1000 * time.Hour), CreatedAt: now.Add(-time.Nanosecond)},
		{ID: "d", OwnerID: "ann", Name: "chat", LastActivity: now.Add(-time.Hour), CreatedAt: now.Add(-time.Hour)},
	}
	policy := sessioncleanup.Policy{}.Thresholds()
	for name, c := range map[string]struct {
		q     sessioncleanup.Query
		want  []string
		total int
		more  bool
	}{
		"by default":            {sessioncleanup.Query{Limit: 9}, []string{"c", "a", "b", "d"}, 0, false},
		"by activity, reversed": {sessioncleanup.Query{Limit: 9, Descending: true}, []string{"d", "b", "a", "c"}, 0, false},
		"by creation":           {sessioncleanup.Query{Sort: sessioncleanup.SortCreated, Limit: 9}, []string{"b", "d", "c", "a"}, 0, false},
		"by name":               {sessioncleanup.Query{Sort: sessioncleanup.SortName, Limit: 9}, []string{"c", "a", "d", "b"}, 0, false},
		"a page":                {sessioncleanup.Query{Limit: 2, CountUpTo: 3}, []string{"c", "a"}, 3, true},
		"a page that just fits": {sessioncleanup.Query{Limit: 4, CountUpTo: 9}, []string{"c", "a", "b", "d"}, 4, false},
		"after a position":      {sessioncleanup.Query{Limit: 9, CountUpTo: 9, After: new(sessioncleanup.Query{}.Position(sessions[0]))}, []string{"b", "d"}, 4, false},
		"count only":            {sessioncleanup.Query{CountUpTo: 9}, nil, 4, false},
		"an owner":              {sessioncleanup.Query{Filter: sessioncleanup.Filter{OwnerID: "ann"}, Limit: 2, CountUpTo: 9}, []string{"c", "a"}, 3, true},
		"a text":                {sessioncleanup.Query{Filter: sessioncleanup.Filter{Text: "qui"}, Limit: 9}, []string{"c", "a"}, 0, false},
		"one session":           {sessioncleanup.Query{Filter: sessioncleanup.Filter{ID: "b"}, Limit: 9}, []string{"b"}, 0, false},
		"active":                {sessioncleanup.Query{Status: sessioncleanup.StatusActive, Thresholds: policy, Limit: 9}, []string{"b"}, 0, false},
		"to deactivate":         {sessioncleanup.Query{Status: sessioncleanup.StatusToDeactivate, Thresholds: policy, Limit: 9}, []string{"a"}, 0, false},
		"to delete":             {sessioncleanup.Query{Status: sessioncleanup.StatusToDelete, Thresholds: policy, Limit: 9}, []string{"c"}, 0, false},
		"protected":             {sessioncleanup.Query{Status: sessioncleanup.StatusProtected, Limit: 9}, []string{"d"}, 0, false},
	} {
		page := c.q.Answer(slices.Clone(sessions), now)
		if !slices.Equal(idsOf(page.Sessions), c.want) || page.Total != c.total || (page.Next != nil) != c.more {
			t.Errorf("%s: %v of %d, more %v; want %v of %d, more %v", name, idsOf(page.Sessions), page.Total, page.Next, c.want, c.total, c.more)
		}
		if !reflect.DeepEqual(page.Cutoffs, c.q.Thresholds.At(now)) {
			t.Errorf("%s: cutoffs %+v, want %+v", name, page.Cutoffs, c.q.Thresholds.At(now))
		}
		for _, s := range page.Sessions {
			if !s.AsOf.Equal(now) || s.Status != "" {
				t.Errorf("%s: session %+v, want it as of now without a status", name, s)
			}
		}
	}
}

func TestPositionsSortAsTimesAndNamesDo(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	at := func() time.Time {
		if r.IntN(5) == 0 {
			return time.Time{}
		}
		return time.Unix(r.Int64N(3), r.Int64N(3)*r.Int64N(1e9)).In(time.FixedZone("elsewhere", r.IntN(3)*3600))
	}
	for range 2000 {
		a := sessioncleanup.Session{ID: strconv.Itoa(r.IntN(3)), LastActivity: at(), CreatedAt: at(), Name: strconv.Itoa(r.IntN(12))}
		b := sessioncleanup.Session{ID: strconv.Itoa(r.IntN(3)), LastActivity: at(), CreatedAt: at(), Name: strconv.Itoa(r.IntN(12))}
		byID := map[bool]int{a.ID < b.ID: -1, a.ID > b.ID: 1}[true]
		for sort, order := range map[sessioncleanup.Sort]int{
			"": a.LastActivity.Compare(b.LastActivity), sessioncleanup.SortLastActivity: a.LastActivity.Compare(b.LastActivity),
			sessioncleanup.SortCreated: a.CreatedAt.Compare(b.CreatedAt), sessioncleanup.SortName: map[bool]int{a.Name < b.Name: -1, a.Name > b.Name: 1}[true],
		} {
			if order == 0 {
				order = byID
			}
			q := sessioncleanup.Query{Sort: sort}
			reverse := sessioncleanup.Query{Sort: sort, Descending: true}
			if got := q.Compare(q.Position(a), q.Position(b)); got != order || reverse.Compare(q.Position(a), q.Position(b)) != -order {
				t.Fatalf("by %q: %+v and %+v compare as %d, want %d", sort, a, b, got, order)
			}
		}
	}
}
