package apitest

import (
	"context"
	"net/http"
	"testing"

	"github.com/sessioncleanup/sessioncleanup"
)

// family is a store in which Gone has a child, Closed, that is not due and would be deleted along with it, and rows of
// other tables.
type family struct{ sessioncleanup.Store }

// Sweep leaves Gone out.
func (f family) Sweep(ctx context.Context, b sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
	if b.Action != sessioncleanup.ActionDeleted {
		return f.Store.Sweep(ctx, b)
	}
	return sessioncleanup.BatchResult{
		Skipped: []sessioncleanup.Skipped{{SessionID: Gone, Action: b.Action, Reason: "session 6, which is not due, would be deleted along with it"}},
	}, nil
}

// Delete deletes Closed along with Gone, if that is allowed.
func (f family) Delete(ctx context.Context, t sessioncleanup.Target, cause sessioncleanup.Cause) (sessioncleanup.Session, error) {
	if t.ID == Gone && !t.Cascade {
		return sessioncleanup.Session{}, &sessioncleanup.CascadeError{SessionIDs: []string{Closed}}
	}
	if t.ID == Gone {
		if _, err := f.Store.Delete(ctx, sessioncleanup.Target{ID: Closed}, cause); err != nil {
			return sessioncleanup.Session{}, err
		}
	}
	return f.Store.Delete(ctx, t, cause)
}

// Dependents are the same for every query.
func (family) Dependents(context.Context, *sessioncleanup.Query) ([]sessioncleanup.Dependent, error) {
	return []sessioncleanup.Dependent{
		{Table: "playlist_tracks", Effect: "deleted", Rows: sessioncleanup.MaxDependentRows, More: true},
		{Table: "logs", Effect: "unlinked", Rows: 7},
	}, nil
}

// dependents are shown before a deletion; other sessions are not deleted along with one unless an admin says so.
func dependents(t *testing.T, observe Observer) {
	w := newWorld(t, observe, func(s *setup) { s.Store = family{s.Store} })
	rows := []any{
		map[string]any{"table": "playlist_tracks", "effect": "deleted", "rows": 100000.0, "more": true},
		map[string]any{"table": "logs", "effect": "unlinked", "rows": 7.0},
	}
	remove := func(as, query string) answer {
		t.Helper()
		return w.remove(as, "/"+Gone+query)
	}
	remove(ann, "").problem(http.StatusPreconditionRequired, "confirmation-required").is("dependents", rows)
	w.post(admin, "/cleanup", `{"dry_run":true}`).ok().is("dependents", rows)
	w.post(admin, "/cleanup", "").ok().is("skipped.0.session_id", Gone, "skipped.0.action", "deleted", "skipped.0.reason", some, "phases.0.skipped", 1.0)
	before := w.snapshot()
	remove(admin, "?confirm="+Gone).problem(http.StatusConflict, "other-sessions").is("session_ids.0", Closed)
	remove(admin, "?cascade=false&confirm="+Gone).problem(http.StatusConflict, "other-sessions")
	if remove(ann, "?confirm="+Gone).problem(http.StatusConflict, "other-sessions").has("session_ids") {
		t.Error("an owner learns the IDs of sessions that may be somebody else's")
	}
	remove(ann, "?cascade=true&confirm="+Gone).problem(http.StatusForbidden, "forbidden")
	remove(admin, "?cascade=yes&confirm="+Gone).names("cascade")
	w.same(before, "a refused deletion")
	remove(admin, "?cascade=true&confirm="+Gone).ok()
	w.get(admin, "/"+Closed).want(http.StatusNotFound)
}
