package storetest

import (
	"context"
	"slices"

	"github.com/sessioncleanup/sessioncleanup"
)

// unsound is a sound Sealer of which some methods are replaced.
type unsound struct {
	sessioncleanup.Sealer
	seal    func(context.Context, int) (sessioncleanup.Seal, error)
	seals   func(context.Context, int64, int) ([]sessioncleanup.Seal, error)
	entries func(ctx context.Context, after, through int64, limit int) ([]sessioncleanup.Entry, error)
	erase   func(context.Context, string) (int, error)
}

func (u *unsound) Seal(ctx context.Context, limit int) (sessioncleanup.Seal, error) {
	return u.seal(ctx, limit)
}

func (u *unsound) Seals(ctx context.Context, after int64, limit int) ([]sessioncleanup.Seal, error) {
	return u.seals(ctx, after, limit)
}

func (u *unsound) Entries(ctx context.Context, after, through int64, limit int) ([]sessioncleanup.Entry, error) {
	return u.entries(ctx, after, through, limit)
}

func (u *unsound) EraseOwner(ctx context.Context, owner string) (int, error) {
	return u.erase(ctx, owner)
}

// seals replaces methods of the Sealer.
func seals(change func(u *unsound, b *broken)) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		s := b.Sealer
		u := &unsound{Sealer: s, seal: s.Seal, seals: s.Seals, entries: s.Entries, erase: s.EraseOwner}
		change(u, b)
		b.Sealer = u
	}
}

// showsEntries changes what the log shows of its entries once there is a seal.
func showsEntries(change func([]sessioncleanup.Entry) []sessioncleanup.Entry) func(*Harness, *broken) {
	return seals(func(u *unsound, _ *broken) {
		u.entries = func(ctx context.Context, after, through int64, limit int) ([]sessioncleanup.Entry, error) {
			entries, err := u.Sealer.Entries(ctx, after, through, limit)
			if sealed, sealsErr := u.Sealer.Seals(ctx, 0, 1); len(sealed) > 0 && len(entries) > 1 && sealsErr == nil {
				entries = change(entries)
			}
			return entries, err
		}
	})
}

func sealFlaws() []flaw {
	return []flaw{
		{"changes an entry that is sealed", showsEntries(func(entries []sessioncleanup.Entry) []sessioncleanup.Entry {
			entries[1].Fixed[2] = "changed"
			return entries
		}), []func(*fixture){sealsCover}},
		{"changes a personal text of an entry that is sealed", showsEntries(func(entries []sessioncleanup.Entry) []sessioncleanup.Entry {
			entries[1].Personal[0] = "admin:somebody"
			return entries
		}), []func(*fixture){sealsCover, sealsErase}},
		{"loses an entry that is sealed", showsEntries(func(entries []sessioncleanup.Entry) []sessioncleanup.Entry {
			return slices.Delete(entries, 0, 1)
		}), []func(*fixture){sealsCover, sealsForget}},
		{"adds an entry among those that are sealed", showsEntries(func(entries []sessioncleanup.Entry) []sessioncleanup.Entry {
			return slices.Insert(entries, 1, entries[0])
		}), []func(*fixture){sealsCover}},
		{"seals more than it was asked to", seals(func(u *unsound, _ *broken) {
			u.seal = func(ctx context.Context, limit int) (sessioncleanup.Seal, error) { return u.Sealer.Seal(ctx, 2*limit) }
		}), []func(*fixture){sealsCover}},
		{"ignores where the seals begin", seals(func(u *unsound, _ *broken) {
			u.seals = func(ctx context.Context, _ int64, limit int) ([]sessioncleanup.Seal, error) {
				return u.Sealer.Seals(ctx, 0, limit)
			}
		}), []func(*fixture){sealsCover}},
		{"leaves the owners out of its entries", seals(func(u *unsound, _ *broken) {
			u.entries = func(ctx context.Context, after, through int64, limit int) ([]sessioncleanup.Entry, error) {
				entries, err := u.Sealer.Entries(ctx, after, through, limit)
				for i := range entries {
					entries[i].Personal = entries[i].Personal[:3]
				}
				return entries, err
			}
		}), []func(*fixture){sealsCoverTexts}},
		{"forgets a part of what a seal covers", forgetsFromSeals(true), []func(*fixture){sealsForget}},
		{"forgets what is sealed and does not note it", seals(func(u *unsound, _ *broken) {
			first := map[int64]sessioncleanup.Seal{}
			u.seal = func(ctx context.Context, limit int) (sessioncleanup.Seal, error) {
				s, err := u.Sealer.Seal(ctx, limit)
				first[s.Number] = s
				return s, err
			}
			u.seals = func(ctx context.Context, after int64, limit int) ([]sessioncleanup.Seal, error) {
				all, err := u.Sealer.Seals(ctx, after, limit)
				for i, s := range all {
					all[i] = first[s.Number]
				}
				return all, err
			}
		}), []func(*fixture){sealsForget}},
		{"forgets nothing that is sealed", forgetsFromSeals(false), []func(*fixture){sealsForget}},
		{"keeps an owner that was erased", seals(func(u *unsound, _ *broken) {
			u.erase = func(context.Context, string) (int, error) { return 6, nil }
		}), []func(*fixture){sealsErase}},
		{"erases an owner as if nothing were sealed", seals(func(u *unsound, _ *broken) {
			u.entries = func(ctx context.Context, after, through int64, limit int) ([]sessioncleanup.Entry, error) {
				entries, err := u.Sealer.Entries(ctx, after, through, limit)
				for i, e := range entries {
					if len(e.Proof) != sessioncleanup.SaltSize {
						entries[i].Proof = make([]byte, sessioncleanup.SaltSize)
					}
				}
				return entries, err
			}
		}), []func(*fixture){sealsErase}},
	}
}

// forgetsFromSeals forgets events by their time alone, or none that is sealed.
func forgetsFromSeals(byTime bool) func(*Harness, *broken) {
	return func(_ *Harness, b *broken) {
		gone := map[int64]bool{}
		s := b.Sealer
		u := &unsound{Sealer: s, seal: s.Seal, seals: s.Seals, erase: s.EraseOwner}
		u.entries = func(ctx context.Context, after, through int64, limit int) ([]sessioncleanup.Entry, error) {
			entries, err := s.Entries(ctx, after, through, limit)
			return slices.DeleteFunc(entries, func(e sessioncleanup.Entry) bool { return gone[e.ID] }), err
		}
		b.Sealer = u
		b.record = func(ctx context.Context, r sessioncleanup.Record) (sessioncleanup.Event, error) {
			if byTime && !r.ForgetBefore.IsZero() {
				events, err := b.Store.Events(ctx, sessioncleanup.EventQuery{Limit: everything})
				if err != nil {
					return sessioncleanup.Event{}, err
				}
				for _, e := range events {
					gone[e.ID] = e.At.Before(r.ForgetBefore)
				}
			}
			if !byTime {
				r.ForgetBefore = sessioncleanup.Record{}.ForgetBefore
			}
			return b.Store.Record(ctx, r)
		}
	}
}
