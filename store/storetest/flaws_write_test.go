package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// afterUpdate goes on after the sound store's successful updates, of a session that was and one that is.
func afterUpdate(do func(ctx context.Context, b *broken, was, is sessioncleanup.Session, c sessioncleanup.Change) (sessioncleanup.Session, error)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.update = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
			was, _, err := b.find(ctx, t.ID)
			if err != nil {
				return sessioncleanup.Session{}, err
			}
			is, err := b.Store.Update(ctx, t, c)
			if err != nil {
				return is, err
			}
			return do(ctx, b, was, is, c)
		}
	}
}

// reactivated reports whether an update made a session active.
func reactivated(was, is sessioncleanup.Session) bool { return is.Active && !was.Active }

func updateFlaws() []flaw {
	type session = sessioncleanup.Session
	return []flaw{
		{"returns the session as it was before the update", afterUpdate(func(_ context.Context, _ *broken, was, _ session, _ sessioncleanup.Change) (session, error) {
			return was, nil
		}), []func(*fixture){updateEvery, updateReactivates, updateRandom, workload}},
		{"does not say when it updated", afterUpdate(func(_ context.Context, _ *broken, _, is session, _ sessioncleanup.Change) (session, error) {
			is.AsOf = time.Time{}
			return is, nil
		}), []func(*fixture){updateEvery, updateNothing}},
		{"keeps microseconds of an expiry", afterUpdate(func(_ context.Context, b *broken, _, is session, c sessioncleanup.Change) (session, error) {
			if c.ExpiresAt != nil {
				is.ExpiresAt = c.ExpiresAt.UTC()
			}
			return is, b.app.Put(is)
		}), []func(*fixture){updateEvery, updateRandom}},
		{"writes an event of an update that changed nothing", afterUpdate(func(ctx context.Context, b *broken, was, is session, c sessioncleanup.Change) (session, error) {
			if !was.Equal(is) {
				return is, nil
			}
			_, err := b.Store.Record(ctx, sessioncleanup.Record{Event: sessioncleanup.Event{
				Action: c.Action, Actor: c.Cause.Actor, Sessions: []sessioncleanup.SessionRef{is.Ref()},
			}})
			return is, err
		}), []func(*fixture){updateNothing, updateRandom, workload}},
		{"keeps an expiry that has passed when it reactivates", afterUpdate(func(_ context.Context, b *broken, was, is session, c sessioncleanup.Change) (session, error) {
			if reactivated(was, is) && c.ExpiresAt == nil {
				is.ExpiresAt = was.ExpiresAt
			}
			return is, b.app.Put(is)
		}), []func(*fixture){updateReactivates, updateRandom, workload}},
		{"does not take reactivation for activity", afterUpdate(func(_ context.Context, b *broken, was, is session, _ sessioncleanup.Change) (session, error) {
			is.LastActivity = was.LastActivity
			return is, b.app.Put(is)
		}), []func(*fixture){updateReactivates, updateRandom, workload}},
		{"moves the last activity backward when it reactivates", afterUpdate(func(ctx context.Context, b *broken, was, is session, _ sessioncleanup.Change) (session, error) {
			if reactivated(was, is) {
				is.LastActivity = is.AsOf
			}
			return is, b.app.Put(is)
		}), []func(*fixture){updateKeepsActivity, updateRandom}},
		{"removes a past expiry that is set together with reactivation", afterUpdate(func(_ context.Context, b *broken, was, is session, c sessioncleanup.Change) (session, error) {
			if reactivated(was, is) && c.ExpiresAt != nil && c.ExpiresAt.Before(is.AsOf) {
				is.ExpiresAt = time.Time{}
			}
			return is, b.app.Put(is)
		}), []func(*fixture){updateKeepsExpiry, updateRandom}},
		{"ignores the owner of a target", changesTarget(func(t *sessioncleanup.Target) { t.OwnerID = "" }), []func(*fixture){updateNotFound, deleteNotFound, updateRandom, workload}},
	}
}

// changesTarget changes the targets of updates and deletions.
func changesTarget(change func(*sessioncleanup.Target)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.update = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
			change(&t)
			return b.Store.Update(ctx, t, c)
		}
		b.remove = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
			change(&t)
			return b.Store.Delete(ctx, t, c)
		}
	}
}

// beforeWrite is called before updates and deletions; its error is theirs.
func beforeWrite(do func(context.Context, *broken, *sessioncleanup.Target) error) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		b.update = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
			if err := do(ctx, b, &t); err != nil {
				return sessioncleanup.Session{}, err
			}
			return b.Store.Update(ctx, t, c)
		}
		b.remove = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
			if err := do(ctx, b, &t); err != nil {
				return sessioncleanup.Session{}, err
			}
			return b.Store.Delete(ctx, t, c)
		}
	}
}

func conditionFlaws() []flaw {
	meet := make(crossroads)
	return []flaw{
		{"ignores the condition of a change", changesTarget(func(t *sessioncleanup.Target) { t.If = nil }), []func(*fixture){conditionFails, conditionRace}},
		{"refuses every conditional change", changesTarget(func(t *sessioncleanup.Target) {
			if t.If != nil {
				t.If = func(sessioncleanup.Session) bool { return false }
			}
		}), []func(*fixture){conditionHolds, conditionRace}},
		{"evaluates the condition before it takes the lock", beforeWrite(func(ctx context.Context, b *broken, t *sessioncleanup.Target) error {
			s, there, err := b.find(ctx, t.ID)
			if err != nil || !there || t.If == nil {
				return err
			}
			err = t.Check(s)
			t.If = nil
			meet.wait()
			return err
		}), []func(*fixture){conditionRace}},
		{"shows the condition somebody else's session", beforeWrite(func(ctx context.Context, b *broken, t *sessioncleanup.Target) error {
			s, there, err := b.find(ctx, t.ID)
			if err == nil && there && t.If != nil && !t.If(s) && t.OwnerID == "" {
				err = sessioncleanup.ErrChanged
			}
			return err
		}), []func(*fixture){conditionFails}},
		{"does not tell the condition when the session was read", changesTarget(func(t *sessioncleanup.Target) {
			if asked := t.If; asked != nil {
				t.If = func(s sessioncleanup.Session) bool { s.AsOf = time.Time{}; return asked(s) }
			}
		}), []func(*fixture){conditionFails}},
		{"says that a changed session is not there", func(_ *Harness, b *broken) {
			b.update = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
				s, err := b.Store.Update(ctx, t, c)
				if errors.Is(err, sessioncleanup.ErrChanged) {
					err = sessioncleanup.ErrNotFound
				}
				return s, err
			}
		}, []func(*fixture){conditionFails}},
		{"changes something although the condition does not hold", func(_ *Harness, b *broken) {
			b.update = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Change) (sessioncleanup.Session, error) {
				s, err := b.Store.Update(ctx, t, c)
				if errors.Is(err, sessioncleanup.ErrChanged) {
					_, _ = b.Store.Update(ctx, sessioncleanup.Target{ID: t.ID}, c)
				}
				return s, err
			}
		}, []func(*fixture){conditionFails}},
	}
}

func deleteFlaws() []flaw {
	return []flaw{
		{"does not ask what may be deleted along", func(_ *Harness, b *broken) {
			b.remove = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
				t.Along = nil
				return b.Store.Delete(ctx, t, c)
			}
		}, []func(*fixture){deleteAlong}},
		{"does not log a single deletion", func(_ *Harness, b *broken) {
			b.remove = func(ctx context.Context, t sessioncleanup.Target, _ sessioncleanup.Cause) (sessioncleanup.Session, error) {
				s, there, err := b.find(ctx, t.ID)
				switch {
				case err != nil:
				case !there:
					err = sessioncleanup.ErrNotFound
				default:
					err = t.Check(s)
				}
				if err == nil {
					_, err = b.app.Remove(t.ID)
				}
				return s, err
			}
		}, []func(*fixture){deleteAny, workload}},
		{"does not say when it deleted", func(_ *Harness, b *broken) {
			b.remove = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
				s, err := b.Store.Delete(ctx, t, c)
				s.AsOf = time.Time{}
				return s, err
			}
		}, []func(*fixture){deleteAny}},
		{"says that a session which cannot be deleted is not there", func(_ *Harness, b *broken) {
			b.remove = func(ctx context.Context, t sessioncleanup.Target, c sessioncleanup.Cause) (sessioncleanup.Session, error) {
				s, err := b.Store.Delete(ctx, t, c)
				if err != nil {
					err = sessioncleanup.ErrNotFound
				}
				return s, err
			}
		}, []func(*fixture){deletePinned}},
	}
}
