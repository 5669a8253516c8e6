package storetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// The group "seals" proves a store that is a Sealer; the checks are skipped for others.
func sealChecks() []check {
	return []check{
		{"seals", "cover every event once, in chained seals of the size that was asked for", sealsCover},
		{"seals", "cover every text of an event", sealsCoverTexts},
		{"seals", "stay valid when old events are forgotten, all those of a seal or none", sealsForget},
		{"seals", "stay valid when an owner is erased from events before or after they are sealed", sealsErase},
	}
}

func (f *fixture) sealer() sessioncleanup.Sealer { return optional[sessioncleanup.Sealer](f) }

// seal makes one seal.
func (f *fixture) seal(limit int) sessioncleanup.Seal {
	f.Helper()
	return must(f.sealer().Seal(f.ctx, limit))(f, "Seal")
}

// verify requires that the log is as it was sealed.
func (f *fixture) verify(what string) sessioncleanup.Verification {
	f.Helper()
	m := must(sessioncleanup.New(f.Store, sessioncleanup.Config{}))(f, "New")
	v := must(m.VerifyEvents(f.ctx, ""))(f, "VerifyEvents %s", what)
	if v.Mismatch != nil {
		f.Errorf("%s, the log is not as it was sealed: %v", what, v.Mismatch)
	}
	return v
}

func (f *fixture) entries() []sessioncleanup.Entry {
	f.Helper()
	return must(f.sealer().Entries(f.ctx, math.MinInt64, math.MaxInt64, everything))(f, "Entries")
}

func sealsCover(f *fixture) {
	if s := f.seal(10); s.Number != 0 {
		f.Errorf("an empty log has the seal %+v", s)
	}
	f.history()
	all := f.events(sessioncleanup.EventQuery{})
	var seals []sessioncleanup.Seal
	for range maxSteps {
		s := f.seal(3)
		if s.Number == 0 {
			break
		}
		seals = append(seals, s)
		if s.Entries > 3 || int(s.Number) != len(seals) {
			f.Errorf("seal %d is number %d, of %d entries; want at most 3", len(seals), s.Number, s.Entries)
		}
	}
	if len(seals) < 3 {
		f.Fatalf("%d seals of %d events, want at least 3", len(seals), len(all))
	}
	v := f.verify("after sealing")
	if v.Entries != len(all) || v.Unsealed != 0 || v.Seals != len(seals) {
		f.Errorf("%d entries are in %d seals and %d in none; want all %d in %d seals", v.Entries, v.Seals, v.Unsealed, len(all), len(seals))
	}
	f.record(sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system"}})
	if v := f.verify("after another event"); v.Entries != len(all) || v.Unsealed != 1 {
		f.Errorf("%d entries are sealed and %d are not; want %d and 1", v.Entries, v.Unsealed, len(all))
	}
	listed, err := f.sealer().Seals(f.ctx, 1, 2)
	if want := seals[1:3]; err != nil || len(listed) != 2 || listed[0].Hash != want[0].Hash || listed[1].Hash != want[1].Hash {
		f.Errorf("Seals after 1, two of them: %+v, %v; want %+v", listed, err, want)
	}
	entries, err := f.sealer().Entries(f.ctx, seals[0].LastID, seals[1].LastID, everything)
	if err != nil || len(entries) != seals[1].Entries || entries[0].ID != seals[1].FirstID {
		f.Errorf("Entries of seal 2: %d, %v; want %d from %d on", len(entries), err, seals[1].Entries, seals[1].FirstID)
	}
}

func sealsCoverTexts(f *fixture) {
	f.history()
	f.record(sessioncleanup.Record{Event: sessioncleanup.Event{
		Action: sessioncleanup.ActionRun, Actor: "admin:é", Reason: `because 'of' \ %`, RunID: "run 1", Run: &sessioncleanup.RunSummary{
			Error: "the error of the run", Filter: sessioncleanup.Filter{OwnerID: "the-owner-of-the-filter"},
		},
	}})
	texts := map[int64]string{}
	for _, e := range f.entries() {
		texts[e.ID] = strings.Join(append(slices.Clone(e.Fixed), e.Personal...), "\n")
		if len(e.Proof) != sessioncleanup.SaltSize {
			f.Errorf("entry %d has a salt of %d bytes, want %d", e.ID, len(e.Proof), sessioncleanup.SaltSize)
		}
	}
	for _, e := range f.events(sessioncleanup.EventQuery{}) {
		want := []string{fmt.Sprint(e.ID), fmt.Sprint(e.At.UnixMicro()), string(e.Action), e.Actor, e.Reason, e.RunID}
		for _, ref := range e.Sessions {
			want = append(want, ref.ID, ref.OwnerID, ref.Name)
		}
		if e.Run != nil {
			want = append(want, e.Run.Error, e.Run.Filter.OwnerID)
		}
		for _, text := range want {
			if !strings.Contains(texts[e.ID], text) {
				f.Errorf("entry %d lacks %q:\n%s", e.ID, text, texts[e.ID])
			}
		}
	}
}

func sealsForget(f *fixture) {
	keepFrom := f.now.Add(-90 * day)
	for i, at := range []time.Time{
		keepFrom.Add(-3 * day), keepFrom.Add(-2 * day), // a seal of old ones
		keepFrom.Add(-day), keepFrom.Add(day), // a seal that is old in part
		keepFrom.Add(-day), f.now, // two without a seal
	} {
		if i == 2 || i == 4 {
			f.seal(10)
		}
		f.record(sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system", RunID: fmt.Sprint(i), At: at}})
	}
	forget := func(before time.Time, runID string) {
		f.Helper()
		f.record(sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system", RunID: runID}, ForgetBefore: before})
	}
	expect := func(what string, forgotten, sealed, unsealed int, left string) {
		f.Helper()
		v := f.verify(what)
		if v.Forgotten != forgotten || v.Entries != sealed || v.Unsealed != unsealed {
			f.Errorf("%s, %d sealed entries are forgotten, %d are sealed and %d are not; want %d, %d and %d",
				what, v.Forgotten, v.Entries, v.Unsealed, forgotten, sealed, unsealed)
		}
		var runs []string
		for _, e := range f.events(sessioncleanup.EventQuery{}) {
			runs = append(runs, e.RunID)
		}
		slices.Reverse(runs)
		if got := strings.Join(runs, " "); got != left {
			f.Errorf("%s, the events of the runs %s are left, want %s", what, got, left)
		}
	}
	forget(keepFrom, "6")
	expect("after forgetting", 2, 2, 2, "2 3 5 6")
	f.seal(10)
	forget(keepFrom.Add(2*day), "7")
	expect("after forgetting more", 4, 2, 1, "5 6 7")
}

func sealsErase(f *fixture) {
	f.history()
	f.seal(everything)
	owner, other := f.owner(1), f.owner(2)
	own := f.dueForDeletion(50)
	own.OwnerID = owner
	f.insert(own)
	byOwner := sessioncleanup.Cause{Actor: "owner:" + owner, Reason: "my name is"}
	unowned := f.dueForDeletion(51)
	unowned.OwnerID = ""
	f.insert(unowned)
	for _, id := range []string{own.ID, unowned.ID} {
		f.must(failure(f.Store.Delete(f.ctx, sessioncleanup.Target{ID: id}, byOwner)), "Delete")
	}
	f.record(sessioncleanup.Record{Event: sessioncleanup.Event{
		Action: sessioncleanup.ActionRun, Actor: "system", Run: &sessioncleanup.RunSummary{Filter: sessioncleanup.Filter{OwnerID: owner}, Partial: true},
	}})
	before := f.events(sessioncleanup.EventQuery{})
	others := f.events(sessioncleanup.EventQuery{OwnerID: other})
	found := 0
	for i, e := range before {
		bare, ok := e.WithoutOwner(owner)
		if before[i] = bare; ok {
			found++
		}
	}
	n, err := f.sealer().EraseOwner(f.ctx, owner)
	if err != nil || n != found {
		f.Errorf("EraseOwner changed %d entries, %v; want %d", n, err, found)
	}
	f.expectEvents(sessioncleanup.EventQuery{Limit: everything}, before)
	f.expectEvents(sessioncleanup.EventQuery{Limit: everything, OwnerID: other}, others)
	if v := f.verify("after erasing an owner"); v.Erased == 0 || v.Erased > found {
		f.Errorf("%d sealed entries are erased in part, want some of %d", v.Erased, found)
	}
	f.seal(everything)
	f.verify("after sealing what was erased before")
}
