package sessioncleanup_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

func TestTagsAreReadAsWordsWithASign(t *testing.T) {
	t.Parallel()
	got, err := sessioncleanup.ParseTags([]string{"vip", "+a:1", "-test", "--"})
	if err == nil {
		t.Errorf("-- is read as %v", got)
	}
	got, err = sessioncleanup.ParseTags([]string{"vip", "+a:1", "-test"})
	want := sessioncleanup.TagChange{Add: []string{"vip", "a:1"}, Remove: []string{"test"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("ParseTags: %v (-want +got):\n%s", err, diff)
	}
	if text := got.String(); text != "+vip +a:1 -test" {
		t.Errorf("the change is written %q", text)
	}
	if tags := got.Apply([]string{"other", "test", "vip"}); !slices.Equal(tags, []string{"a:1", "other", "vip"}) {
		t.Errorf("Apply makes the tags %q", tags)
	}
	for _, wrong := range []string{"", "+", "-", "+-", "A", "a b", "é", "a\x00", "_a", ".a", "a\n", strings.Repeat("a", sessioncleanup.MaxTag+1)} {
		if got, err := sessioncleanup.ParseTags([]string{wrong}); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("ParseTags(%q) = %v, %v; want ErrInvalid", wrong, got, err)
		}
	}
	for _, words := range [][]string{nil, {"+vip", "-vip"}} {
		if got, err := sessioncleanup.ParseTags(words); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("ParseTags(%q) = %v, %v; want ErrInvalid", words, got, err)
		}
	}
}

// numbered are n different tags.
func numbered(n int) (tags []string) {
	for i := range n {
		tags = append(tags, fmt.Sprint("t", i))
	}
	return tags
}

func TestASessionHasTwentyTagsAtMost(t *testing.T) {
	t.Parallel()
	m, store := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	many := numbered(sessioncleanup.MaxTags + 2) // the application's
	if err := store.Put(sessioncleanup.Session{ID: "1", Active: true}, sessioncleanup.Session{ID: "2", Active: true, Tags: many}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Tag(t.Context(), "1", sessioncleanup.TagChange{Add: numbered(sessioncleanup.MaxTags + 1)}); !errors.Is(err, sessioncleanup.ErrTooManyTags) {
		t.Errorf("with one tag too many: %v, want ErrTooManyTags", err)
	}
	if s, err := m.Tag(t.Context(), "1", sessioncleanup.TagChange{Add: numbered(sessioncleanup.MaxTags)}); err != nil || len(s.Tags) != sessioncleanup.MaxTags {
		t.Errorf("with as many as there may be: %v, %v", s.Tags, err)
	}
	if _, err := m.Tag(t.Context(), "1", sessioncleanup.TagChange{Add: []string{"other"}, Remove: []string{"t0"}}); err != nil {
		t.Errorf("one for another: %v", err)
	}
	if s, err := m.Tag(t.Context(), "2", sessioncleanup.TagChange{Remove: []string{"t0"}}); err != nil || len(s.Tags) != len(many)-1 {
		t.Errorf("one less of too many: %v, %v", s.Tags, err)
	}
	if _, err := m.Tag(t.Context(), "2", sessioncleanup.TagChange{Add: []string{"other"}}); !errors.Is(err, sessioncleanup.ErrTooManyTags) {
		t.Errorf("one more of too many: %v, want ErrTooManyTags", err)
	}
}

func TestOwnersTagTheirOwnSessions(t *testing.T) {
	t.Parallel()
	m, store := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	if err := store.Put(sessioncleanup.Session{ID: "1", OwnerID: "ann"}, sessioncleanup.Session{ID: "2", OwnerID: "bob", Tags: []string{"bobs"}}); err != nil {
		t.Fatal(err)
	}
	ann := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleOwner, ID: "ann"})
	vip := sessioncleanup.TagChange{Add: []string{"vip"}}
	if _, err := ann.Tag(t.Context(), "1", vip); err != nil {
		t.Errorf("an owner's session: %v", err)
	}
	if _, err := ann.Tag(t.Context(), "2", vip); !errors.Is(err, sessioncleanup.ErrNotFound) {
		t.Errorf("another owner's session: %v, want ErrNotFound", err)
	}
	if tags, err := ann.Tags(t.Context(), ""); err != nil || !slices.Equal(tags, []sessioncleanup.TagCount{{Tag: "vip", Sessions: 1}}) {
		t.Errorf("an owner sees the tags %v, %v", tags, err)
	}
	viewer := m.As(sessioncleanup.Principal{Role: sessioncleanup.RoleViewer, ID: "eve"})
	if _, err := viewer.Tags(t.Context(), ""); !errors.Is(err, sessioncleanup.ErrForbidden) {
		t.Errorf("a viewer sees tags: %v", err)
	}
	if _, err := m.If(func(s sessioncleanup.Session) bool { return len(s.Tags) == 0 }).Tag(t.Context(), "1", vip); !errors.Is(err, sessioncleanup.ErrChanged) {
		t.Errorf("with a condition that does not hold: %v, want ErrChanged", err)
	}
}

func TestBulkTagsSessions(t *testing.T) {
	t.Parallel()
	m, store := newManager(t, sessioncleanup.Policy{}, memory.Config{})
	err := store.Put(sessioncleanup.Session{ID: "1", Active: true}, sessioncleanup.Session{ID: "2", Active: true, Tags: numbered(sessioncleanup.MaxTags)}, sessioncleanup.Session{ID: "3"})
	if err != nil {
		t.Fatal(err)
	}
	b := sessioncleanup.Bulk{Action: sessioncleanup.BulkTag, Status: sessioncleanup.StatusProtected, Expected: 3, Tags: sessioncleanup.TagChange{Add: []string{"vip"}}}
	res, err := m.Bulk(t.Context(), b)
	if err != nil || res.Done != 2 || res.Failed != 1 || res.Failures[0].SessionID != "2" {
		t.Errorf("Bulk: %+v, %v; want 2 tagged and that with 20 tags failed", res, err)
	}
	for _, wrong := range []sessioncleanup.TagChange{{}, {Add: []string{"VIP"}}} {
		b.Tags = wrong
		if _, err := m.Bulk(t.Context(), b); !errors.Is(err, sessioncleanup.ErrInvalid) {
			t.Errorf("Bulk with the tags %v: %v, want ErrInvalid", wrong, err)
		}
	}
}

func TestAStoreWithoutTagsSaysSo(t *testing.T) {
	t.Parallel()
	m, err := sessioncleanup.New(plain{memory.New(memory.Config{})}, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	_, tagErr := m.Tag(t.Context(), "1", sessioncleanup.TagChange{Add: []string{"vip"}})
	_, tagsErr := m.Tags(t.Context(), "")
	_, bulkErr := m.Bulk(t.Context(), sessioncleanup.Bulk{Action: sessioncleanup.BulkTag, IDs: []string{"1"}, Tags: sessioncleanup.TagChange{Add: []string{"vip"}}})
	_, matchErr := m.Bulk(t.Context(), sessioncleanup.Bulk{Action: sessioncleanup.BulkDelete, Match: "vip", Expected: 1})
	_, listErr := m.List(t.Context(), sessioncleanup.ListOptions{Tags: "vip"})
	_, statsErr := m.TaggedStats(t.Context(), "", "vip")
	_, runErr := m.Cleanup(t.Context(), sessioncleanup.Run{Filter: sessioncleanup.Filter{Tags: "vip"}})
	for _, err := range []error{tagErr, tagsErr, bulkErr, matchErr, listErr, statsErr, runErr} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v, want ErrUnsupported", err)
			continue
		}
		parts := strings.Split(err.Error(), ": ")
		if len(slices.Compact(slices.Clone(parts))) < len(parts) {
			t.Errorf("%q says something twice", err)
		}
	}
}
