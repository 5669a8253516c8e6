package sessioncleanup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Sealer is implemented by stores whose audit log can be sealed, so that a later change of it shows. A seal covers the
// entries after those of the seal before it and holds a hash that depends on that one's. Writers of the log never wait
// for a seal.
//
// A store that seals never removes a part of what a seal covers: Record forgets an entry that is sealed once all those of
// its seal are old, and the seal stays, as Seal.Forget makes it. Entries that are not sealed are forgotten as ever.
type Sealer interface {
	// Seal adds and returns the next seal, over the oldest entries without one, at most limit of them. It returns a
	// zero Seal when there are none. It fails with ErrUnavailable while a transaction is open that may still commit
	// older entries.
	Seal(ctx context.Context, limit int) (Seal, error)
	// Seals returns at most limit seals with numbers above after, in their order.
	Seals(ctx context.Context, after int64, limit int) ([]Seal, error)
	// Entries returns at most limit entries with IDs above after and up to through, in the order of their IDs.
	Entries(ctx context.Context, after, through int64, limit int) ([]Entry, error)
	// EraseOwner removes an owner from all entries, as Event.WithoutOwner does, and returns the number of entries
	// changed. In sealed entries it uses Entry.Erased to replace the salts of the texts that it empties.
	EraseOwner(ctx context.Context, owner string) (int, error)
}

// A seal covers at most MaxSeal entries, and ends with the one in which it reaches MaxSealSessions sessions, so that a call of
// Sealer.Seal takes some 100 ms at most.
const (
	MaxSeal         = 100
	MaxSealSessions = 10_000
)

// Seal is the hash of some successive entries of the audit log and of all seals before it.
type Seal struct {
	Number    int64     `json:"number"` // 1, 2, 3, …
	FirstID   int64     `json:"first_id"`
	LastID    int64     `json:"last_id"`
	Entries   int       `json:"entries"` // at least 1
	Newest    time.Time `json:"newest"`  // the latest time of an entry
	Forgotten bool      `json:"forgotten,omitempty"`
	Hash      string    `json:"hash"` // SHA-256, 64 hexadecimal digits
	// Digests are those of the entries, one after the other; their SHA-256 when the entries are forgotten.
	Digests []byte `json:"-"`
}

// NextSeal returns the seal that follows another one, or the first one. It covers as many of the entries, which are in
// the order of their IDs, as a seal may. Its hash is the SHA-256 of two parts: the SHA-256 of the entries' digests, one
// after the other, and a text with the hash of the seal before it, the number, the first and the last ID, the number of
// entries and the newest time, in microseconds since 1970, separated by spaces.
func NextSeal(before Seal, entries []Entry) Seal {
	if len(entries) == 0 {
		return Seal{}
	}
	s := Seal{Number: before.Number + 1, FirstID: entries[0].ID}
	sessions := 0
	for _, e := range entries {
		if sessions >= MaxSealSessions {
			break
		}
		sessions += e.Sessions
		s.LastID, s.Entries = e.ID, s.Entries+1
		s.Digests = append(s.Digests, e.Digest()...)
		if e.At.After(s.Newest) {
			s.Newest = e.At
		}
	}
	s.Hash = s.hashAfter(before)
	return s
}

// hashAfter is the hash that the seal must have.
func (s Seal) hashAfter(before Seal) string {
	content := s.Forget().Digests
	content = fmt.Appendf(content, "%s %d %d %d %d %d", before.Hash, s.Number, s.FirstID, s.LastID, s.Entries, s.Newest.UnixMicro())
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Forget returns the seal without its entries. It still proves that the seals before and after it are unchanged.
func (s Seal) Forget() Seal {
	if !s.Forgotten {
		sum := sha256.Sum256(s.Digests)
		s.Forgotten, s.Digests = true, sum[:]
	}
	return s
}

// Entry is an event in the form in which it is sealed: a list of texts in an order that the store chooses.
type Entry struct {
	ID       int64
	At       time.Time // for NextSeal; it is also one of Fixed
	Sessions int       // the number of them, for NextSeal
	Fixed    []string  // texts that are never erased; the ID is one of them
	Personal []string  // texts that may be erased, each on its own, by setting it to ""
	// Proof is a random salt of SaltSize bytes; after an erasure, one part for each of Personal: a byte 0 and the salt of
	// that text or, where it was erased, a byte 1 and its commitment.
	Proof []byte
}

// SaltSize is the number of random bytes that an entry gets when it is written; see Entry.Proof.
const SaltSize = 16

// proofPart is the size of a part of Proof.
const proofPart = 1 + sha256.Size

// Digest returns what a seal keeps of the entry: the SHA-256 of two SHA-256 sums. The first is over the SHA-256 sums of
// the fixed texts, one after the other. The second is over the commitments to the personal texts, each the SHA-256 of a
// salt and the text. The salts are successive 32-byte pieces of the SHA-512 sums of the entry's salt followed by 0, 1,
// 2, … in decimal digits.
func (e Entry) Digest() []byte {
	var fixed, personal []byte
	for _, text := range e.Fixed {
		fixed = append(fixed, sum([]byte(text))...)
	}
	for i := range e.Personal {
		personal = append(personal, e.commitment(i)...)
	}
	return sum(sum(fixed), sum(personal))
}

// commitment is that to one of the personal texts, nil when the proof does not fit it.
func (e Entry) commitment(i int) []byte {
	text := e.Personal[i]
	part, salted := e.part(i)
	switch {
	case part == nil, !salted && text != "":
		return nil
	case salted:
		return sum(part, []byte(text))
	default:
		return part
	}
}

// part is the salt of one of the personal texts or, where that was erased, the commitment to it.
func (e Entry) part(i int) (part []byte, salted bool) {
	switch len(e.Proof) {
	case SaltSize:
		two := sha512.Sum512(strconv.AppendInt(slices.Clone(e.Proof), int64(i/2), 10))
		return two[sha256.Size*(i%2):][:sha256.Size], true
	case proofPart * len(e.Personal):
		part = e.Proof[proofPart*i : proofPart*(i+1)]
		return part[1:], part[0] == 0
	default:
		return nil, false
	}
}

// Erased returns the proof of a sealed entry after its personal texts have become those given. For each text that
// becomes empty, the proof loses the salt, so that nobody can guess the text and check the guess. The digest stays the
// same.
func (e Entry) Erased(personal []string) []byte {
	var proof []byte
	for i := range e.Personal {
		part, salted := e.part(i)
		if salted && personal[i] == "" && e.Personal[i] != "" {
			part, salted = e.commitment(i), false
		}
		kind := byte(1)
		if salted {
			kind = 0
		}
		proof = append(append(proof, kind), part...)
	}
	return proof
}

// erasures is the number of texts that were erased after the entry was sealed.
func (e Entry) erasures() (n int) {
	for i := range e.Personal {
		if part, salted := e.part(i); part != nil && !salted {
			n++
		}
	}
	return n
}

// sum is the SHA-256 of some bytes, one part after the other.
func sum(parts ...[]byte) []byte {
	all := sha256.Sum256(bytes.Join(parts, nil))
	return all[:]
}

// EntryOf returns the Entry of an event, for stores that seal in Go. run is the run's summary as stored, in JSON, and
// nil when there is none: a newer version of RunSummary might encode differently.
func EntryOf(e Event, run, proof []byte) Entry {
	summary, filter := splitRun(run)
	if e.Run != nil && e.Run.Filter == (Filter{}) {
		filter = ""
	}
	entry := Entry{
		ID: e.ID, At: e.At, Sessions: len(e.Sessions), Proof: proof,
		Fixed:    []string{strconv.FormatInt(e.ID, 10), strconv.FormatInt(e.At.UnixMicro(), 10), string(e.Action), e.RunID, summary},
		Personal: []string{e.Actor, e.Reason, filter},
	}
	for _, ref := range e.Sessions {
		entry.Fixed = append(entry.Fixed, ref.ID)
		entry.Personal = append(entry.Personal, ref.personal())
	}
	return entry
}

// personal is the owner and the name, which are erased together, as one text: "" once they are.
func (r SessionRef) personal() string {
	if r.OwnerID == "" && r.Name == "" {
		return ""
	}
	return strconv.Itoa(len(r.OwnerID)) + " " + r.OwnerID + r.Name
}

// splitRun takes the filter, which may name an owner, out of a run's summary.
func splitRun(run []byte) (summary, filter string) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(run, &fields) != nil || fields == nil {
		return string(run), ""
	}
	filter = string(fields["filter"])
	delete(fields, "filter")
	rest, err := json.Marshal(fields) // with sorted keys
	if err != nil {
		return string(run), ""
	}
	return string(rest), filter
}

// WithoutOwner returns the event without the owner's ID and the names of its sessions. When the owner is the actor, it
// drops the reason too, and a run that was limited to the owner loses its filter. The IDs of sessions stay. It returns
// false when the event does not mention the owner.
func (e Event) WithoutOwner(owner string) (Event, bool) {
	found := false
	e.Sessions = slices.Clone(e.Sessions)
	for i := range e.Sessions {
		if r := &e.Sessions[i]; r.OwnerID == owner {
			r.OwnerID, r.Name, found = "", "", true
		}
	}
	if e.Actor == (Principal{Role: RoleOwner, ID: owner}).Actor() {
		e.Actor, e.Reason, found = "", "", true
	}
	if e.Run != nil && e.Run.Filter.OwnerID == owner {
		run := *e.Run
		run.Filter, found = Filter{}, true
		e.Run = &run
	}
	return e, found
}
