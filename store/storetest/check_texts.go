package storetest

import (
	"strconv"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/shorten"
)

// listLongNames has names that no index holds as they are, two of which differ after MaxName characters only.
func listLongNames(f *fixture) {
	size := 100_000
	if f.MaxName > 0 {
		size = min(size, f.MaxName)
	}
	g := f.generator()
	text := func(n int) string {
		var b strings.Builder
		for b.Len() < size-10 {
			b.WriteString(pick(g, "a", "B", "é", "%", "_", "'", `\\`, "🦓", strconv.Itoa(g.IntN(1000))))
		}
		return b.String() + strconv.Itoa(n)
	}
	equal := text(1)
	m := f.hold(named(equal, f.fresh(1)), named(text(2), f.dueForDeactivation(2)), named(text(3), f.dueForDeletion(3)), f.fresh(4), named(equal[:len(equal)-1], f.fresh(6)))
	for i, s := range m.sessions {
		m.sessions[i].Name = shorten.Text(s.Name, sessioncleanup.MaxName)
	}
	f.expectSessions("with long names", m.sessions...)
	q := sessioncleanup.Query{Sort: sessioncleanup.SortName}
	if diff := differences(m.list(q), f.pages(q, 1, nil)); diff != "" {
		f.Errorf("pages sorted by long names: %s", diff)
	}
	for _, s := range m.sessions[1:3] {
		found := f.page(sessioncleanup.Query{Filter: sessioncleanup.Filter{Text: s.Name}, Limit: 4}).Sessions
		f.expectIDs("sessions with a text of "+strconv.Itoa(len(s.Name))+" bytes", idsOf(found), s.ID)
	}
	huge := text(5)
	for _, filter := range []sessioncleanup.Filter{{ID: huge}, {OwnerID: huge}} {
		if found := f.page(sessioncleanup.Query{Filter: filter, Limit: 4}).Sessions; len(found) > 0 {
			f.Errorf("a list for an id of %d bytes has the sessions %v, want none", len(huge), idsOf(found))
		}
	}
	f.touch(sessioncleanup.Touch{IDs: []string{huge, f.id(4)}}, 1)
	f.expectError(failure(f.Store.Update(f.ctx, sessioncleanup.Target{ID: huge}, reactivate(nil))), sessioncleanup.ErrNotFound, "Update of an id of %d bytes", len(huge))
	since := f.mark()
	b := f.batchOf("long", 5)
	b.Cause.Reason = huge
	f.expectIDs("sessions deleted", f.sweep(deletion, b, nil), f.id(3))
	for _, e := range f.events(sessioncleanup.EventQuery{}) {
		want := sessioncleanup.Event{Reason: huge, Sessions: []sessioncleanup.SessionRef{m.sessions[2].Ref()}}.Shortened()
		if e.ID > since && (e.Sessions[0] != want.Sessions[0] || e.Reason != want.Reason) {
			f.Errorf("the event of a long name and a long reason has %d and %d bytes, want the first %d characters of each",
				len(e.Sessions[0].Name), len(e.Reason), sessioncleanup.MaxEventText)
		}
	}
}
