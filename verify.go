package sessioncleanup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Verification is the result of comparing the audit log with its seals.
type Verification struct {
	Seals     int `json:"seals"`
	Entries   int `json:"entries"`   // sealed ones that are as they were when they were sealed
	Erased    int `json:"erased"`    // of these: entries in which personal texts were erased since
	Forgotten int `json:"forgotten"` // sealed entries that were removed when they were old, with all others of their seals
	Unsealed  int `json:"unsealed"`  // entries since the last seal: nothing is known of them
	// Last is the newest seal. A person who can rewrite the log and its seals cannot change a copy of its hash that is kept
	// elsewhere.
	Last Seal `json:"last_seal,omitzero"`
	// Mismatch is the first thing that is wrong, nil when nothing is. The check ends with it, and the counts are those up
	// to it.
	Mismatch *Mismatch `json:"mismatch,omitempty"`
}

// Mismatch says that the log is not as it was sealed.
type Mismatch struct {
	Seal    int64  `json:"seal,omitempty"`     // its number
	FirstID int64  `json:"first_id,omitempty"` // of the entry, or the range of entries, that is wrong
	LastID  int64  `json:"last_id,omitempty"`
	Message string `json:"message"`
}

// Error says what is wrong.
func (m *Mismatch) Error() string { return m.Message }

// sealBudget is how long a run spends on seals, and sealPage how many seals are read at once.
const (
	sealBudget = 3 * time.Second
	sealPage   = 200
)

// SealEvents seals all entries of the audit log that have no seal, and returns the last seal, or a zero Seal when the
// log is empty. Each run does this at its end. It fails with errors.ErrUnsupported when the store cannot seal, and with
// ErrUnavailable when a transaction that wrote to the log stays open.
func (m *Manager) SealEvents(ctx context.Context) (Seal, error) {
	const operation = "seal the audit log"
	sealer, err := m.sealer(operation)
	if err != nil {
		return Seal{}, err
	}
	last, err := m.seal(ctx, sealer)
	if err == nil && last.Number == 0 {
		err = eachSeal(ctx, sealer, func(s Seal) error {
			last = s
			return nil
		})
	}
	return wrapped(operation, last, err)
}

// seal adds seals until nothing is left, and returns the last it added.
func (m *Manager) seal(ctx context.Context, sealer Sealer) (last Seal, err error) {
	for {
		next, err := retryWithin(ctx, readTimeout, func(ctx context.Context) (Seal, error) { return sealer.Seal(ctx, MaxSeal) })
		if err != nil || next.Number == 0 {
			return last, err
		}
		m.log.DebugContext(ctx, "audit log sealed", "seal", next.Number, "first_id", next.FirstID, "last_id", next.LastID, "hash", next.Hash)
		last = next
	}
}

// seal seals the audit log, where the store can. The next run seals what this one leaves.
func (r *run) seal(ctx context.Context) {
	sealer, ok := StoreAs[Sealer](r.m.store)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sealBudget)
	defer cancel()
	if _, err := r.m.seal(ctx, sealer); err != nil {
		r.m.log.DebugContext(ctx, "a part of the audit log is left to the next run to seal", "run_id", r.result.RunID, "error", err)
	}
}

func (m *Manager) sealer(operation string) (Sealer, error) {
	if err := m.allowAll(operation); err != nil {
		return nil, err
	}
	return storeAs[Sealer](m, operation, "cannot seal its log")
}

// VerifyEvents compares the audit log with its seals, and finds an entry that was changed, removed or inserted since it
// was sealed. With expect, the hash of a seal that you keep elsewhere, it also requires a seal with that hash. It fails
// with errors.ErrUnsupported when the store cannot seal.
func (m *Manager) VerifyEvents(ctx context.Context, expect string) (Verification, error) {
	const operation = "verify the audit log"
	sealer, err := m.sealer(operation)
	if err != nil {
		return Verification{}, err
	}
	expect = strings.ToLower(expect)
	if sum, err := hex.DecodeString(expect); expect != "" && (err != nil || len(sum) != sha256.Size) {
		return Verification{}, invalid.Errorf("%s: the expected hash is %q: want that of a seal, %d hexadecimal digits", operation, expect, 2*sha256.Size)
	}
	var v Verification
	met := expect == ""
	err = eachSeal(ctx, sealer, func(s Seal) error {
		before := v.Last
		if err := v.check(ctx, sealer, before, s); err != nil {
			return err
		}
		met = met || s.Hash == expect
		v.Seals, v.Last = v.Seals+1, s
		return nil
	})
	if err == nil && !met {
		err = &Mismatch{Message: fmt.Sprintf("no seal has the hash %s: the log and its seals were rewritten since, or it is another database's", expect)}
	}
	if wrong, ok := errors.AsType[*Mismatch](err); ok {
		v.Mismatch, err = wrong, nil
	} else if err == nil {
		v.Unsealed, err = countEntries(ctx, sealer, v.Last)
	}
	return wrapped(operation, v, err)
}

// check compares the entries of a seal with it. A Mismatch is an error.
func (v *Verification) check(ctx context.Context, sealer Sealer, before, s Seal) error {
	if s.Number != before.Number+1 {
		return s.mismatch(before.LastID, s.FirstID, "the seals between seal %d and seal %d are gone", before.Number, s.Number)
	}
	if s.Hash != s.hashAfter(before) || before.Number > 0 && s.FirstID <= before.LastID || s.Entries < 1 ||
		!s.Forgotten && len(s.Digests) != s.Entries*sha256.Size {
		return s.mismatch(s.FirstID, s.LastID, "seal %d, of the entries %d to %d, was changed, or a seal before it", s.Number, s.FirstID, s.LastID)
	}
	entries, err := entriesOf(ctx, sealer, before.end(), s.LastID, s.Entries+1)
	if err != nil {
		return err
	}
	if wrongly := s.compare(entries); wrongly != nil {
		if s.Forgotten {
			return wrongly
		}
		again, err := sealsAfter(ctx, sealer, s.Number-1, 1) // they may have been forgotten since the seal was read
		if err != nil {
			return err
		}
		if len(again) == 1 && again[0].Forgotten {
			return v.check(ctx, sealer, before, again[0])
		}
		return wrongly
	}
	if s.Forgotten {
		v.Forgotten += s.Entries
		return nil
	}
	v.Entries += len(entries)
	for _, e := range entries {
		if e.erasures() > 0 {
			v.Erased++
		}
	}
	return nil
}

// end is the last ID that the seal covers; below all IDs for a zero Seal.
func (s Seal) end() int64 {
	if s.Number == 0 {
		return math.MinInt64
	}
	return s.LastID
}

// mismatch is an error about a seal and the entries that it covers.
func (s Seal) mismatch(first, last int64, format string, args ...any) error {
	return &Mismatch{Seal: s.Number, FirstID: first, LastID: last, Message: fmt.Sprintf(format, args...)}
}

// compare returns the first difference between the entries in a seal's range and those that were sealed.
func (s Seal) compare(entries []Entry) error {
	if s.Forgotten {
		if len(entries) > 0 {
			return s.mismatch(entries[0].ID, entries[0].ID, "entry %d was inserted among entries that were forgotten", entries[0].ID)
		}
		return nil
	}
	sealed := slices.Collect(slices.Chunk(s.Digests, sha256.Size))
	previous := "the beginning of seal " + fmt.Sprint(s.Number)
	for i, e := range entries {
		if i < len(sealed) && bytes.Equal(e.Digest(), sealed[i]) {
			previous = fmt.Sprintf("entry %d", e.ID)
			continue
		}
		is := func(other []byte) bool { return bytes.Equal(e.Digest(), other) }
		switch {
		case i == len(sealed), i+1 < len(entries) && bytes.Equal(entries[i+1].Digest(), sealed[i]):
			return s.mismatch(e.ID, e.ID, "entry %d was inserted after its neighbors were sealed", e.ID)
		case slices.ContainsFunc(sealed[i:], is):
			return s.mismatch(s.FirstID, e.ID, "the log lacks %s between %s and entry %d", sealedEntries(slices.IndexFunc(sealed[i:], is)), previous, e.ID)
		default:
			return s.mismatch(e.ID, e.ID, "entry %d was changed after it was sealed", e.ID)
		}
	}
	if missing := len(sealed) - len(entries); missing > 0 {
		return s.mismatch(s.FirstID, s.LastID, "the log lacks %s after %s, up to entry %d", sealedEntries(missing), previous, s.LastID)
	}
	return nil
}

func sealedEntries(n int) string {
	if n == 1 {
		return "1 sealed entry"
	}
	return fmt.Sprintf("%d sealed entries", n)
}

// eachSeal calls do with every seal, in order, until it fails.
func eachSeal(ctx context.Context, sealer Sealer, do func(Seal) error) error {
	after := int64(math.MinInt64)
	for {
		seals, err := sealsAfter(ctx, sealer, after, sealPage)
		if err != nil {
			return err
		}
		for _, s := range seals {
			if err := do(s); err != nil {
				return err
			}
		}
		if len(seals) < sealPage {
			return nil
		}
		after = seals[len(seals)-1].Number
	}
}

func sealsAfter(ctx context.Context, sealer Sealer, after int64, limit int) ([]Seal, error) {
	return within(ctx, readTimeout, func(ctx context.Context) ([]Seal, error) { return sealer.Seals(ctx, after, limit) })
}

func entriesOf(ctx context.Context, sealer Sealer, after, through int64, limit int) ([]Entry, error) {
	return within(ctx, readTimeout, func(ctx context.Context) ([]Entry, error) { return sealer.Entries(ctx, after, through, limit) })
}

// countEntries counts those after a seal.
func countEntries(ctx context.Context, sealer Sealer, s Seal) (n int, err error) {
	for after := s.end(); ; {
		entries, err := entriesOf(ctx, sealer, after, math.MaxInt64, MaxSeal)
		if n += len(entries); err != nil || len(entries) < MaxSeal {
			return n, err
		}
		after = entries[len(entries)-1].ID
	}
}
