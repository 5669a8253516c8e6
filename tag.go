package sessioncleanup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// Tagger is implemented by stores that keep tags of sessions: words by which people group them, such as vip or test. It
// fills in Session.Tags wherever it returns a session, and Update applies Change.Tags, with its event. A session's tags
// move into the archive with it and come back with it. They are removed with the session, whoever deletes it. Tags that
// the application writes directly into the store's table count at once, without an event.
type Tagger interface {
	// Tags returns the tags in use, sorted, each with the number of its sessions: of all, or of one owner's.
	Tags(ctx context.Context, owner string) ([]TagCount, error)
}

// TagCount is a tag with the number of sessions that have it.
type TagCount struct {
	Tag      string `json:"tag"`
	Sessions int    `json:"sessions"` // that have it
}

// The limits of tags.
const (
	MaxTags = 20 // of one session; what the application writes itself is not counted
	MaxTag  = 50 // characters of one
)

// TagChange adds tags to a session and removes others. Adding a tag that the session has, or removing one that it
// lacks, changes nothing.
type TagChange struct{ Add, Remove []string }

// Validate returns an ErrInvalid for the first tag that is malformed, or that is both added and removed. A tag has 1 to
// MaxTag characters: letters a to z, digits, and - _ . : after a first letter or digit.
func (c TagChange) Validate() error {
	for _, tag := range slices.Concat(c.Add, c.Remove) {
		if !isTag(tag) {
			return invalid.Errorf("tag is %.100q: want 1 to %d characters a to z, 0 to 9, and - _ . : after the first one", tag, MaxTag)
		}
		if slices.Contains(c.Add, tag) && slices.Contains(c.Remove, tag) {
			return invalid.Errorf("tag %q is to be added and removed: want one of the two", tag)
		}
	}
	return nil
}

func isTag(tag string) bool {
	const first = "abcdefghijklmnopqrstuvwxyz0123456789"
	return tag != "" && len(tag) <= MaxTag && strings.IndexByte(first, tag[0]) >= 0 &&
		!strings.ContainsFunc(tag, func(r rune) bool { return !strings.ContainsRune(first+"-_.:", r) })
}

// Apply returns a session's tags after the change, sorted and without duplicates, or nil when there are none.
func (c TagChange) Apply(tags []string) []string {
	all := slices.Concat(tags, c.Add)
	slices.Sort(all)
	all = slices.DeleteFunc(slices.Compact(all), func(tag string) bool { return slices.Contains(c.Remove, tag) })
	if len(all) == 0 {
		return nil
	}
	return all
}

// ParseTagFilter splits Filter.Tags into its words. It returns an ErrInvalid that names the first word that is wrong.
func ParseTagFilter(text string) (words []string, err error) {
	words = strings.Fields(text)
	if len(words) > MaxTags {
		return nil, invalid.Errorf("tags are %.200q: want at most %d words", text, MaxTags)
	}
	for _, word := range words {
		tags := strings.Split(strings.TrimPrefix(word, "-"), "|")
		err := (TagChange{Add: tags}).Validate()
		if err != nil && len(tags) > 1 {
			err = fmt.Errorf("%q: %w", word, err)
		}
		if err != nil {
			return nil, err
		}
	}
	return words, nil
}

// matchesTags reports whether a session with these tags is selected by Filter.Tags.
func matchesTags(tags []string, filter string) bool {
	for word := range strings.FieldsSeq(filter) {
		any, none := strings.CutPrefix(word, "-")
		has := slices.ContainsFunc(strings.Split(any, "|"), func(tag string) bool { return slices.Contains(tags, tag) })
		if has == none {
			return false
		}
	}
	return true
}

// filterTags checks a filter by tags for an operation.
func (m *Manager) filterTags(operation, text string) error {
	if text == "" {
		return nil
	}
	if _, err := ParseTagFilter(text); err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	_, err := m.tagger(operation)
	return err
}

// String writes the change as ParseTags reads it: "+vip -test".
func (c TagChange) String() string {
	var words []string
	for _, tag := range c.Add {
		words = append(words, "+"+tag)
	}
	for _, tag := range c.Remove {
		words = append(words, "-"+tag)
	}
	return strings.Join(words, " ")
}

// ParseTags reads a change of tags from words such as "+vip" and "-test". A word without a sign adds a tag. Errors are
// ErrInvalid.
func ParseTags(words []string) (c TagChange, err error) {
	for _, word := range words {
		if tag, removes := strings.CutPrefix(word, "-"); removes {
			c.Remove = append(c.Remove, tag)
		} else {
			c.Add = append(c.Add, strings.TrimPrefix(word, "+"))
		}
	}
	if len(words) == 0 {
		return c, invalid.Errorf("no tags are given: want some, such as +vip or -test")
	}
	return c, c.Validate()
}

// ErrTooManyTags says that a session would have more than MaxTags.
var ErrTooManyTags = fmt.Errorf("too many tags: a session has %d at most", MaxTags)

// Tag adds tags to a session and removes others. It fails with ErrTooManyTags when the session would have too many, and
// with errors.ErrUnsupported when the store keeps no tags.
//
//	_, err := sessions.Tag(ctx, id, sessioncleanup.TagChange{Add: []string{"vip"}})
func (m *Manager) Tag(ctx context.Context, id string, c TagChange) (Session, error) {
	const operation = "tag session"
	if _, err := m.tagger(operation); err != nil {
		return Session{}, err
	}
	if err := c.Validate(); err != nil {
		return Session{}, fmt.Errorf("%s %q: %w", operation, id, err)
	}
	return m.write(ctx, operation, id, func(t Target, cause Cause) (Session, error) {
		condition, many := t.If, false
		t.If = func(s Session) bool {
			if condition != nil && !condition(s) {
				return false
			}
			many = len(c.Apply(s.Tags)) > max(MaxTags, len(s.Tags)) // removing some always works
			return !many
		}
		s, err := m.store.Update(ctx, t, Change{Action: ActionTagged, Tags: c, Cause: m.cause(c.String())})
		if many && errors.Is(err, ErrChanged) {
			err = ErrTooManyTags
		}
		return s, err
	})
}

// Tags returns the tags in use, each with the number of sessions that have it: of one owner's sessions or, with an
// empty owner, of all sessions that the caller may see. It fails with errors.ErrUnsupported when the store keeps no
// tags.
func (m *Manager) Tags(ctx context.Context, owner string) ([]TagCount, error) {
	const operation = "list tags"
	owner, err := m.scope(operation, owner)
	if err != nil {
		return nil, err
	}
	tagger, err := m.tagger(operation)
	if err != nil {
		return nil, err
	}
	all, err := within(ctx, readTimeout, func(ctx context.Context) ([]TagCount, error) { return tagger.Tags(ctx, owner) })
	return wrapped(operation, all, err)
}

// HasTags reports whether the store keeps tags.
func (m *Manager) HasTags() bool {
	_, ok := StoreAs[Tagger](m.store)
	return ok
}

func (m *Manager) tagger(operation string) (Tagger, error) {
	return storeAs[Tagger](m, operation, "keeps no tags")
}
