package sessioncleanup_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

// tampered is a store whose log and seals somebody changed behind its back.
type tampered struct {
	*memory.Store
	entries func([]sessioncleanup.Entry) []sessioncleanup.Entry
	seals   func([]sessioncleanup.Seal) []sessioncleanup.Seal
}

func (s *tampered) Entries(ctx context.Context, after, through int64, limit int) ([]sessioncleanup.Entry, error) {
	all, err := s.Store.Entries(ctx, math.MinInt64, math.MaxInt64, math.MaxInt)
	if s.entries != nil {
		all = s.entries(all)
	}
	all = slices.DeleteFunc(all, func(e sessioncleanup.Entry) bool { return e.ID <= after || e.ID > through })
	return all[:min(limit, len(all))], err
}

func (s *tampered) Seals(ctx context.Context, after int64, limit int) ([]sessioncleanup.Seal, error) {
	all, err := s.Store.Seals(ctx, 0, math.MaxInt)
	if s.seals != nil {
		all = s.seals(all)
	}
	all = slices.DeleteFunc(all, func(seal sessioncleanup.Seal) bool { return seal.Number <= after })
	return all[:min(limit, len(all))], err
}

// sealedLog is a log of the entries 1 to 9 in the seals 1 to 3.
func sealedLog(t *testing.T) (*sessioncleanup.Manager, *tampered) {
	t.Helper()
	db := &tampered{Store: memory.New(memory.Config{})}
	for i := range 9 {
		_, err := db.Record(t.Context(), sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "owner:7", RunID: fmt.Sprint(i)}})
		if err == nil && i%3 == 2 {
			_, err = db.Seal(t.Context(), 10)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return managerOver(t, db, sessioncleanup.Policy{}), db
}

func verify(t *testing.T, m *sessioncleanup.Manager, expect string) sessioncleanup.Verification {
	t.Helper()
	v, err := m.VerifyEvents(t.Context(), expect)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerifyNamesTheFirstEntryThatIsWrong(t *testing.T) {
	t.Parallel()
	type entries = []sessioncleanup.Entry
	type seals = []sessioncleanup.Seal
	for name, c := range map[string]struct {
		entries func(entries) entries
		seals   func(seals) seals
		want    string
		first   int64
		last    int64
	}{
		"a changed text":       {func(e entries) entries { e[4].Fixed[2] = "deleted"; return e }, nil, "entry 5 was changed after it was sealed", 5, 5},
		"another actor":        {func(e entries) entries { e[4].Personal[0] = "admin:x"; return e }, nil, "entry 5 was changed after it was sealed", 5, 5},
		"a text that moved":    {func(e entries) entries { e[4].Personal = append(e[4].Personal, ""); return e }, nil, "entry 5 was changed after it was sealed", 5, 5},
		"no salt":              {func(e entries) entries { e[4].Proof = nil; return e }, nil, "entry 5 was changed after it was sealed", 5, 5},
		"the first is removed": {func(e entries) entries { return slices.Delete(e, 3, 4) }, nil, "the log lacks 1 sealed entry between the beginning of seal 2 and entry 5", 4, 5},
		"one is removed":       {func(e entries) entries { return slices.Delete(e, 4, 5) }, nil, "the log lacks 1 sealed entry between entry 4 and entry 6", 4, 6},
		"the last is removed":  {func(e entries) entries { return slices.Delete(e, 4, 6) }, nil, "the log lacks 2 sealed entries after entry 4, up to entry 6", 4, 6},
		"all are removed":      {func(entries) entries { return nil }, nil, "the log lacks 3 sealed entries after the beginning of seal 1, up to entry 3", 1, 3},
		"one is inserted": {func(e entries) entries {
			return slices.Insert(e, 4, sessioncleanup.Entry{ID: 5, Fixed: []string{"more"}, Proof: make([]byte, 16)})
		}, nil, "entry 5 was inserted after its neighbors were sealed", 5, 5},
		"one is inserted before the first": {func(e entries) entries { return slices.Insert(e, 0, sessioncleanup.Entry{ID: -1}) }, nil,
			"entry -1 was inserted after its neighbors were sealed", -1, -1},
		"one is inserted at the end": {func(e entries) entries { return slices.Insert(e, 6, sessioncleanup.Entry{ID: 6}) }, nil,
			"entry 6 was inserted after its neighbors were sealed", 6, 6},
		"a changed seal":         {nil, func(s seals) seals { s[1].Entries = 2; return s }, "seal 2, of the entries 4 to 6, was changed, or a seal before it", 4, 6},
		"another hash":           {nil, func(s seals) seals { s[1].Hash = s[0].Hash; return s }, "seal 2, of the entries 4 to 6, was changed, or a seal before it", 4, 6},
		"a seal is removed":      {nil, func(s seals) seals { return slices.Delete(s, 1, 2) }, "the seals between seal 1 and seal 3 are gone", 3, 7},
		"the first seal is gone": {nil, func(s seals) seals { return s[1:] }, "the seals between seal 0 and seal 2 are gone", 0, 4},
		"a seal made again": {nil, func(s seals) seals {
			s[1] = sessioncleanup.NextSeal(sessioncleanup.Seal{Number: 1}, entries{{ID: 4}, {ID: 5}, {ID: 6}})
			return s
		}, "seal 2, of the entries 4 to 6, was changed, or a seal before it", 4, 6},
		"forgotten, and still there": {nil, func(s seals) seals { s[1] = s[1].Forget(); return s }, "entry 4 was inserted among entries that were forgotten", 4, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, db := sealedLog(t)
			if v := verify(t, m, ""); v.Mismatch != nil || v.Entries != 9 || v.Seals != 3 {
				t.Fatalf("before: %+v, %v", v, v.Mismatch)
			}
			db.entries, db.seals = c.entries, c.seals
			v := verify(t, m, "")
			if v.Mismatch == nil {
				t.Fatalf("nothing is found: %+v", v)
			}
			if got := *v.Mismatch; got.Message != c.want || got.FirstID != c.first || got.LastID != c.last {
				t.Errorf("found %q, from %d to %d; want %q, from %d to %d", got.Message, got.FirstID, got.LastID, c.want, c.first, c.last)
			}
		})
	}
}

func TestASealThatIsKeptElsewhereFindsARewrittenLog(t *testing.T) {
	t.Parallel()
	m, db := sealedLog(t)
	kept, err := m.SealEvents(t.Context())
	if err != nil || kept.Number != 3 {
		t.Fatalf("SealEvents: %+v, %v; want the last seal", kept, err)
	}
	if _, err := db.Record(t.Context(), sessioncleanup.Record{Event: sessioncleanup.Event{Action: sessioncleanup.ActionRun, Actor: "system"}}); err != nil {
		t.Fatal(err)
	}
	if v := verify(t, m, strings.ToUpper(kept.Hash)); v.Mismatch != nil || v.Unsealed != 1 {
		t.Errorf("the log as it was: %+v, %v", v, v.Mismatch)
	}
	other, _ := sealedLog(t) // whoever rewrites everything makes seals that fit
	if v := verify(t, other, ""); v.Mismatch != nil {
		t.Errorf("a rewritten log by itself: %v", v.Mismatch)
	}
	if v := verify(t, other, kept.Hash); v.Mismatch == nil || !strings.Contains(v.Mismatch.Message, "no seal has the hash "+kept.Hash) {
		t.Errorf("a rewritten log: %+v, %v; want that no seal has the hash", v, v.Mismatch)
	}
	db.seals = func(s []sessioncleanup.Seal) []sessioncleanup.Seal { return s[:2] }
	if v := verify(t, m, kept.Hash); v.Mismatch == nil {
		t.Error("the last seal is gone, and nobody says so")
	}
	for _, expect := range []string{"x", "abcd", kept.Hash + "00", strings.Repeat("g", 64)} {
		if _, err := m.VerifyEvents(t.Context(), expect); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("expecting %q: %v, want ErrInvalid", expect, err)
		}
	}
}

func TestEntriesThatAreForgottenDuringAVerificationAreNotMissing(t *testing.T) {
	t.Parallel()
	m, db := sealedLog(t)
	read := 0
	db.seals = func(s []sessioncleanup.Seal) []sessioncleanup.Seal {
		if read++; read > 1 {
			s[0] = s[0].Forget()
		}
		return s
	}
	db.entries = func(e []sessioncleanup.Entry) []sessioncleanup.Entry { return e[3:] }
	if v := verify(t, m, ""); v.Mismatch != nil || v.Forgotten != 3 || v.Entries != 6 {
		t.Errorf("%+v, %v; want 3 forgotten and 6 sealed", v, v.Mismatch)
	}
}

func TestAnErasedTextStaysEmpty(t *testing.T) {
	t.Parallel()
	m, db := sealedLog(t)
	if n, err := db.EraseOwner(t.Context(), "7"); err != nil || n != 9 {
		t.Fatalf("EraseOwner: %d, %v; want 9", n, err)
	}
	if v := verify(t, m, ""); v.Mismatch != nil || v.Entries != 9 || v.Erased != 9 {
		t.Errorf("%+v, %v; want 9 erased in part", v, v.Mismatch)
	}
	if n, err := db.EraseOwner(t.Context(), "7"); err != nil || n != 0 {
		t.Errorf("EraseOwner once more: %d, %v; want 0", n, err)
	}
	for name, change := range map[string]func(*sessioncleanup.Entry){
		"somebody else is put in":  func(e *sessioncleanup.Entry) { e.Personal[0] = "owner:8" },
		"the owner is put back":    func(e *sessioncleanup.Entry) { e.Personal[0] = "owner:7" },
		"what is not erased":       func(e *sessioncleanup.Entry) { e.Personal[2] = "more" },
		"what can never be erased": func(e *sessioncleanup.Entry) { e.Fixed[3] = "another run" },
	} {
		db.entries = func(e []sessioncleanup.Entry) []sessioncleanup.Entry { change(&e[4]); return e }
		if v := verify(t, m, ""); v.Mismatch == nil || v.Mismatch.FirstID != 5 {
			t.Errorf("%s: %v, want that entry 5 was changed", name, v.Mismatch)
		}
	}
}

// Whoever knows the texts must not be able to tell them from what is left of them.
func TestAnErasureDropsTheSalt(t *testing.T) {
	t.Parallel()
	e := sessioncleanup.Entry{ID: 1, Fixed: []string{"1"}, Personal: []string{"owner:7", "", "system"}, Proof: []byte("0123456789abcdef")}
	erased := e
	erased.Personal = []string{"", "", "system"}
	erased.Proof = e.Erased(erased.Personal)
	if got, want := hex.EncodeToString(erased.Digest()), hex.EncodeToString(e.Digest()); got != want {
		t.Errorf("the digest becomes %s, want %s", got, want)
	}
	if strings.Contains(string(erased.Proof), string(e.Proof)) || erased.Proof[0] != 1 {
		t.Errorf("the proof still has the salt: %x", erased.Proof)
	}
	again := erased
	again.Personal = []string{"", "", ""}
	again.Proof = erased.Erased(again.Personal)
	if !slices.Equal(again.Digest(), e.Digest()) {
		t.Error("a second erasure changes the digest")
	}
}

// The database computes the same; a change of the encoding would make all seals that exist wrong.
func TestTheEncodingOfSealsStays(t *testing.T) {
	t.Parallel()
	e := sessioncleanup.EntryOf(sessioncleanup.Event{
		ID: 17, At: time.Unix(1_700_000_000, 123_456_789), Action: sessioncleanup.ActionDeleted, Actor: "system", Reason: "é", RunID: "r",
		Sessions: []sessioncleanup.SessionRef{{ID: "1", OwnerID: "7", Name: "Room"}, {ID: "2"}},
	}, []byte(`{"z":1,"filter":{"OwnerID":"7"},"a":[ 2 ]}`), []byte("0123456789abcdef"))
	const digest, hash = "e9cb815e479f72498702efd33f1372fe1e0b3b79d47feca863fb8ccfe6d2c48d", "8b246631d2a01fb75d07b64721fe14198bc784850d3cdbfb84aaf4cc5239a933"
	if got := hex.EncodeToString(e.Digest()); got != digest {
		t.Errorf("digest of the entry %+v: %s, want %s", e, got, digest)
	}
	if got := sessioncleanup.NextSeal(sessioncleanup.Seal{Number: 4, Hash: "ab"}, []sessioncleanup.Entry{e}); got.Hash != hash || got.Number != 5 {
		t.Errorf("seal %d has the hash %s, want %s", got.Number, got.Hash, hash)
	}
}

func TestASealEndsWithEnoughSessions(t *testing.T) {
	t.Parallel()
	entries := []sessioncleanup.Entry{
		{ID: 1, Sessions: sessioncleanup.MaxSealSessions - 1}, {ID: 2, Sessions: 1}, {ID: 3, Sessions: 3 * sessioncleanup.MaxSealSessions}, {ID: 4},
	}
	var seal sessioncleanup.Seal
	for _, last := range []int64{2, 3, 4} {
		if seal = sessioncleanup.NextSeal(seal, entries[seal.LastID:]); seal.LastID != last {
			t.Errorf("seal %d ends with entry %d, want %d", seal.Number, seal.LastID, last)
		}
	}
}

func TestEachRunSealsTheLog(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	put(t, db, 1, 250, 2*day, nil)
	cleanup(t, m, sessioncleanup.Run{})
	v := verify(t, m, "")
	if v.Mismatch != nil || v.Unsealed != 0 || v.Entries == 0 {
		t.Errorf("after a run: %+v, %v; want all sealed", v, v.Mismatch)
	}
	if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{DryRun: true}); err != nil {
		t.Fatal(err)
	}
	if after := verify(t, m, ""); after.Seals != v.Seals {
		t.Errorf("a dry run makes %d seals", after.Seals-v.Seals)
	}
}

// unready is a store that cannot seal just now.
type unready struct{ *memory.Store }

func (unready) Seal(context.Context, int) (sessioncleanup.Seal, error) {
	return sessioncleanup.Seal{}, sessioncleanup.ErrUnavailable
}

func TestARunThatCannotSealSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := unready{memory.New(memory.Config{})}
		m := managerOver(t, db, sessioncleanup.Policy{})
		started := time.Now()
		if _, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
			t.Error(err)
		}
		if took := time.Since(started); took > 5*time.Second {
			t.Errorf("the run waits for %v", took)
		}
		if v := verify(t, m, ""); v.Unsealed != 1 {
			t.Errorf("%d events are not sealed, want that of the run", v.Unsealed)
		}
		if _, err := m.SealEvents(t.Context()); !errors.Is(err, sessioncleanup.ErrUnavailable) {
			t.Errorf("SealEvents: %v, want ErrUnavailable", err)
		}
	})
}

func TestOnlyAdminsSealAndOnlyStoresThatCan(t *testing.T) {
	t.Parallel()
	m, db := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	plain := managerOver(t, struct{ sessioncleanup.Store }{db}, sessioncleanup.Policy{})
	for what, c := range map[string]struct {
		m    *sessioncleanup.Manager
		want error
	}{
		"an owner":                 {m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "7"}), sessioncleanup.ErrForbidden},
		"a store that cannot seal": {plain, errors.ErrUnsupported},
	} {
		expectError(t, what+" seals", errOf(c.m.SealEvents(t.Context())), c.want)
		expectError(t, what+" verifies", errOf(c.m.VerifyEvents(t.Context(), "")), c.want)
		expectError(t, what+" erases", errOf(c.m.Erase(t.Context(), "7", sessioncleanup.EraseOptions{})), c.want)
	}
	expectError(t, "erasing nobody", errOf(m.Erase(t.Context(), "", sessioncleanup.EraseOptions{})), sessioncleanup.ErrInvalid)
	if _, err := plain.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil {
		t.Errorf("a run on a store that cannot seal: %v", err)
	}
}
