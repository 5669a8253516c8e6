package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "list" proves which sessions a list has, in which order, here, and how it is cut into pages in check_pages.go.
func listChecks() []check {
	return []check{
		{"list", "returns sessions as they were inserted, times in UTC", listValues},
		{"list", "sorts and filters random sessions as Query.Answer does, in every combination", listRandom},
		{"list", "measures at the pinned time, or else at the store's clock, and returns the cutoffs", listCutoffs},
		{"list", "starts with the sessions that lack the value it is sorted by", listMissingKeys},
		{"list", "takes a text literally, ASCII letters in either case", listText},
		{"list", "counts up to a number, on every page, and only when asked", listCountUpTo},
		{"list", "of an id or an owner that cannot exist is empty", listStrangers},
		{"list", "finds, sorts and returns the first MaxName characters of names of 100 kB", listLongNames},
	}
}

func listValues(f *fixture) {
	elsewhere := time.FixedZone("elsewhere", 9*3600+30*60)
	full := expiring(f.fresh(1), f.now.Add(3*day+7*tick).In(elsewhere))
	full.LastActivity = f.now.Add(-time.Hour - 3*tick).In(elsewhere)
	full.CreatedAt = f.now.Add(-9*day - 5*tick).In(elsewhere)
	full.UpdatedAt = f.now.Add(-8*day - 11*tick).In(elsewhere)
	full.Name = `Ünïcode 🎵 "quoted" 'name' \ with % and _`
	bare := sessioncleanup.Session{ID: f.id(2), CreatedAt: f.now, LastActivity: f.now.Add(-50 * day)}
	sessions := []sessioncleanup.Session{full, bare, protected(f.idle(3))}
	f.insert(sessions...)
	f.expectSessions("as listed", sessions...)

	got := f.get(full.ID)
	if !got.UpdatedAt.Equal(full.UpdatedAt) {
		f.Errorf("UpdatedAt is %s, want %s", stamp(got.UpdatedAt), stamp(full.UpdatedAt))
	}
	if got := f.get(bare.ID); !got.ExpiresAt.IsZero() || !got.DeactivatedAt.IsZero() {
		f.Errorf("a session without an expiry that is inactive since an unknown time has %s and %s", stamp(got.ExpiresAt), stamp(got.DeactivatedAt))
	}
	if got.Status != "" || !got.DeactivateAt.IsZero() || !got.DeleteAt.IsZero() {
		f.Errorf("Status %q, DeactivateAt %s, DeleteAt %s; want none, they are the Manager's", got.Status, stamp(got.DeactivateAt), stamp(got.DeleteAt))
	}
	for name, t := range map[string]time.Time{
		"Now": f.clock(), "CreatedAt": got.CreatedAt, "UpdatedAt": got.UpdatedAt,
		"LastActivity": got.LastActivity, "ExpiresAt": got.ExpiresAt, "AsOf": got.AsOf, "DeactivatedAt": f.get(f.id(3)).DeactivatedAt,
	} {
		if t.Location() != time.UTC {
			f.Errorf("%s is in %s, want UTC", name, t.Location())
		}
	}
}

func listRandom(f *fixture) {
	m := f.stock(60)
	g := f.generator()
	for _, status := range append(sessioncleanup.Statuses(), "") {
		for _, filter := range f.filters() {
			for _, sort := range append(sessioncleanup.Sorts(), "") {
				for _, descending := range []bool{false, true} {
					if !g.chance(fewer(100, 40)) {
						continue
					}
					f.expectList(m, sessioncleanup.Query{Filter: filter, Status: status, Thresholds: f.pin, Sort: sort, Descending: descending}, 11)
				}
			}
		}
	}
}

// expectList compares a list, read in pages, with Query.Answer.
func (f *fixture) expectList(m *model, q sessioncleanup.Query, size int) {
	f.Helper()
	if diff := differences(m.list(q), f.pages(q, size, nil)); diff != "" {
		f.Errorf("list of %s in pages of %d: %s", describe(q), size, diff)
	}
}

func describe(q sessioncleanup.Query) string {
	return fmt.Sprintf("ID %q owner %q text %q status %q sort %q descending %v", q.ID, q.OwnerID, q.Text, q.Status, q.Sort, q.Descending)
}

// measurement is a pair of thresholds and the sessions that are then due for deactivation: of two, one was used an hour
// before the cutoff of now, the other one an hour after it.
type measurement struct {
	what string
	t    sessioncleanup.Thresholds
	due  []string
}

// measurements inserts the two sessions. The cases may take an hour.
func (f *fixture) measurements() []measurement {
	f.Helper()
	older, newer := f.session(1, true, f.cut.Inactive.Add(-time.Hour)), f.session(2, true, f.cut.Inactive.Add(time.Hour))
	f.insert(older, newer)
	unpinned, before, later := f.pin, f.pin, f.pin
	unpinned.Now = time.Time{}
	before.Now, later.Now = f.now.Add(-3*time.Hour), f.now.Add(3*time.Hour+123*time.Microsecond)
	return []measurement{
		{"not pinned", unpinned, []string{older.ID}},
		{"pinned to the past", before, nil},
		{"pinned to the future", later, []string{older.ID, newer.ID}},
		{"pinned, both phases off", sessioncleanup.Thresholds{Now: f.now}, nil},
		{"not pinned, both phases off", sessioncleanup.Thresholds{}, nil},
	}
}

// expectCutoffs requires that a store measured at the pinned time, or else at its clock between before and now.
func (f *fixture) expectCutoffs(what string, t sessioncleanup.Thresholds, got sessioncleanup.Cutoffs, before time.Time) {
	f.Helper()
	if t.Now.IsZero() {
		f.expectClock(what+": Cutoffs.Now", got.Now, before)
	}
	if diff := firstDifference(t.At(got.Now), got); diff != "" {
		f.Errorf("%s: cutoffs: %s", what, diff)
	}
}

func listCutoffs(f *fixture) {
	for _, c := range f.measurements() {
		for _, sort := range sessioncleanup.Sorts() {
			q := sessioncleanup.Query{Status: toDeactivate, Thresholds: c.t, Sort: sort, Limit: 5}
			what, before := fmt.Sprintf("list %s, sorted by %s", c.what, sort), f.clock()
			page := f.page(q)
			f.expectCutoffs(what, c.t, page.Cutoffs, before)
			f.expectIDs(what+", due for deactivation", idsOf(page.Sessions), c.due...)
			q.Status = ""
			for _, s := range f.page(q).Sessions {
				f.expectClock(what+": AsOf of a session", s.AsOf, before)
			}
		}
	}
}

// listMissingKeys sorts sessions of which some have no name, or no time of creation where the database allows that.
func listMissingKeys(f *fixture) {
	sessions := many(1, 12, f.fresh)
	for i := range sessions {
		sessions[i].CreatedAt = f.now.Add(-time.Duration(i%5) * day)
		if i%3 == 0 {
			sessions[i].Name = ""
		}
		if i%4 == 0 {
			sessions[i].CreatedAt = time.Time{}
		}
	}
	f.insert(sessions...)
	m := &model{sessions: sessions}
	for i, s := range f.all() {
		if sessions[i].CreatedAt.IsZero() {
			sessions[i].CreatedAt = s.CreatedAt
		}
	}
	for _, sort := range []sessioncleanup.Sort{sessioncleanup.SortName, sessioncleanup.SortCreated} {
		for _, descending := range []bool{false, true} {
			for _, size := range []int{1, 5, everything} {
				f.expectList(m, sessioncleanup.Query{Sort: sort, Descending: descending}, size)
			}
		}
	}
}

func listText(f *fixture) {
	m := &model{}
	for i, name := range names() {
		s := named(name, f.fresh(i))
		s.Code = fmt.Sprintf("code/%c", 'A'+i)
		m.sessions = append(m.sessions, s)
	}
	f.insert(m.sessions...)
	for _, text := range []string{
		"%", "_", `\`, `'`, `"`, "%%", "__", `\\`, "a_b", "0 %", "BETA", "bEt", "CODE/B", "code/_", "été", "🦓", "*", "?", ".", "[a-z]",
		"' OR '1'='1", f.id(3), " ",
	} {
		for _, sort := range sessioncleanup.Sorts() {
			f.expectList(m, sessioncleanup.Query{Filter: sessioncleanup.Filter{Text: text}, Sort: sort}, 4)
		}
	}
}

func listCountUpTo(f *fixture) {
	m := &model{sessions: append(many(1, 9, f.dueForDeletion), many(10, 12, f.fresh)...)}
	f.insert(m.sessions...)
	for _, limit := range []int{0, 4, 9, 20} {
		for _, upTo := range []int{0, 1, 8, 9, 10, 1<<31 - 1} {
			q := sessioncleanup.Query{Status: toDelete, Thresholds: f.pin, Limit: limit, CountUpTo: upTo}
			own := q // the places of a store are its own
			for n := 1; ; n++ {
				page, want := f.page(q), own.Answer(m.sessions, f.now)
				if page.Total != want.Total || len(page.Sessions) != len(want.Sessions) {
					f.Errorf("page %d with limit %d, counted up to %d: %d sessions, total %d; want %d, total %d",
						n, limit, upTo, len(page.Sessions), page.Total, len(want.Sessions), want.Total)
				}
				if want.Next == nil || page.Next == nil || n > 9 {
					break
				}
				q.After, own.After = page.Next, want.Next
			}
		}
	}
}

// listStrangers asks for IDs and owners that the columns may be unable to hold: they come from URLs.
func listStrangers(f *fixture) {
	s := f.fresh(1)
	f.insert(s)
	for _, id := range []string{f.id(2), "nobody", "'; --", "99999999999999999999999999", "-1", "1.5", " " + s.ID, "é", strings.Repeat("9", 300)} {
		for _, filter := range []sessioncleanup.Filter{{ID: id}, {OwnerID: id}, {ID: s.ID, OwnerID: id}} {
			q := sessioncleanup.Query{Filter: filter, Limit: 5, CountUpTo: 5}
			if page := f.page(q); len(page.Sessions) > 0 || page.Total > 0 || page.Next != nil {
				f.Errorf("list of %s has %d sessions, total %d", describe(q), len(page.Sessions), page.Total)
			}
		}
	}
	for _, id := range []string{"nul\x00byte", "broken \xff text"} {
		page, err := f.Store.List(f.ctx, sessioncleanup.Query{Filter: byID(id), Limit: 5})
		if err != nil && !errors.Is(err, sessioncleanup.ErrInvalid) || len(page.Sessions) > 0 {
			f.Errorf("list of ID %q: %d sessions, error %v; want none, or ErrInvalid", id, len(page.Sessions), err)
		}
	}
	f.expectSessions("afterwards", s)
}
