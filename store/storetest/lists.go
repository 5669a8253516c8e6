package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "list" proves what is in a list and in which order; paging.go has how it is cut into pages.
func listChecks() []check {
	return []check{
		{"list", "gives sessions as they were inserted, times in UTC", listValues},
		{"list", "sorts and filters in every combination as the model does", listCombinations},
		{"list", "starts with the sessions that lack what it is sorted by", listMissingKeys},
		{"list", "takes a text literally, ASCII letters in either case", listText},
		{"list", "counts up to a number, on whichever page, and not unless asked", listCountUpTo},
		{"list", "of an id or an owner that cannot be there is empty", listStrangers},
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
	if !f.get(bare.ID).ExpiresAt.IsZero() {
		f.Errorf("a session without an expiry has %s", stamp(f.get(bare.ID).ExpiresAt))
	}
	times := map[string]time.Time{
		"Now": f.clock(), "CreatedAt": got.CreatedAt, "UpdatedAt": got.UpdatedAt,
		"LastActivity": got.LastActivity, "ExpiresAt": got.ExpiresAt,
	}
	for name, t := range times {
		if t.Location() != time.UTC {
			f.Errorf("%s is in %s, want UTC", name, t.Location())
		}
	}
}

// filters are queries without order, among them ones that match all and nothing.
func (f *fixture) filters() []sessioncleanup.Query {
	all := []sessioncleanup.Query{
		{},
		{ID: f.id(7)},
		{OwnerID: f.owner(1)},
		{Text: "a"},
		{OwnerID: f.owner(2), Text: "BETA"},
		{OwnerID: f.owner(3), Status: sessioncleanup.StatusToDelete},
		{OwnerID: f.owner(1), Status: sessioncleanup.StatusActive, Text: "e"},
		{ID: f.id(7), OwnerID: f.owner(9)},
		{Text: "no such text"},
	}
	for _, status := range sessioncleanup.Statuses() {
		all = append(all, sessioncleanup.Query{Status: status})
	}
	return all
}

func listCombinations(f *fixture) {
	m := f.stock(60)
	for _, filter := range f.filters() {
		for _, sort := range append(sessioncleanup.Sorts(), "") {
			for _, descending := range []bool{false, true} {
				q := filter
				q.Sort, q.Descending, q.Cutoffs = sort, descending, f.cut
				f.expectList(m, q, 11)
			}
		}
	}
}

// expectList compares a list, read in pages, with the model's.
func (f *fixture) expectList(m *model, q sessioncleanup.Query, size int) {
	f.Helper()
	if diff := differences(m.list(q), f.pages(q, size, nil)); diff != "" {
		f.Errorf("list of %s in pages of %d: %s", describe(q), size, diff)
	}
}

func describe(q sessioncleanup.Query) string {
	return fmt.Sprintf("ID %q owner %q status %q text %q sort %q descending %v", q.ID, q.OwnerID, q.Status, q.Text, q.Sort, q.Descending)
}

// listMissingKeys sorts sessions of which some have no name, or no time of creation where the host allows that.
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
	m := &model{}
	for i, s := range f.all() {
		if sessions[i].CreatedAt.IsZero() {
			sessions[i].CreatedAt = s.CreatedAt
		}
		m.sessions = append(m.sessions, sessions[i])
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
		s := f.fresh(i)
		s.Name, s.Code = name, fmt.Sprintf("code/%c", 'A'+i)
		m.sessions = append(m.sessions, s)
	}
	f.insert(m.sessions...)
	for _, text := range []string{
		"%", "_", `\`, `'`, `"`, "%%", "__", `\\`, "a_b", "0 %", "BETA", "bEt", "CODE/B", "code/_", "été", "🦓", "*", "?", ".", "[a-z]",
		"' OR '1'='1", f.id(3), " ",
	} {
		for _, sort := range sessioncleanup.Sorts() {
			f.expectList(m, sessioncleanup.Query{Text: text, Sort: sort}, 4)
		}
	}
}

func listCountUpTo(f *fixture) {
	f.insert(many(1, 9, f.dueForDeletion)...)
	f.insert(many(10, 12, f.fresh)...)
	due := sessioncleanup.Query{Status: sessioncleanup.StatusToDelete, Cutoffs: f.cut}
	for _, limit := range []int{0, 4, 9, 20} {
		for upTo, want := range map[int]int{0: 0, 1: 1, 8: 8, 9: 9, 10: 9, 1<<31 - 1: 9} {
			q := due
			q.Limit, q.CountUpTo = limit, upTo
			for n := 0; ; n++ {
				page := f.page(q)
				if page.Total != want {
					f.Errorf("page %d of %d sessions, counted up to %d: total is %d, want %d", n, limit, upTo, page.Total, want)
				}
				if len(page.Sessions) != min(limit, 9-n*limit) {
					f.Errorf("page %d with limit %d has %d sessions", n, limit, len(page.Sessions))
				}
				if page.Next == nil || limit == 0 || n > 9 {
					break
				}
				q.After = page.Next
			}
		}
	}
}

// listStrangers asks for IDs and owners that the host's columns may be unable to hold: they come from URLs.
func listStrangers(f *fixture) {
	s := f.fresh(1)
	f.insert(s)
	strangers := []string{f.id(2), "nobody", "'; --", "99999999999999999999999999", "-1", "1.5", " " + s.ID, "é", strings.Repeat("9", 300)}
	for _, id := range strangers {
		for _, q := range []sessioncleanup.Query{{ID: id}, {OwnerID: id}, {ID: s.ID, OwnerID: id}} {
			q.Limit, q.CountUpTo = 5, 5
			if page := f.page(q); len(page.Sessions) > 0 || page.Total > 0 || page.Next != nil {
				f.Errorf("list of %s has %d sessions, total %d", describe(q), len(page.Sessions), page.Total)
			}
		}
	}
	for _, id := range []string{"nul\x00byte", "broken \xff text"} {
		page, err := f.Store.List(f.ctx, sessioncleanup.Query{ID: id, Limit: 5})
		if err != nil && !errors.Is(err, sessioncleanup.ErrInvalid) || len(page.Sessions) > 0 {
			f.Errorf("list of ID %q: %d sessions, error %v; want none, or ErrInvalid", id, len(page.Sessions), err)
		}
	}
	f.expectSessions("afterwards", s)
}
