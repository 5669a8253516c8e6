package memory

import (
	"context"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// FollowsRules returns true: each session is measured by its tags.
func (*Store) FollowsRules() bool { return true }

// Tags counts the sessions of each tag. It looks at every session.
func (s *Store) Tags(ctx context.Context, owner string) ([]sessioncleanup.TagCount, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	counts := map[string]int{}
	for _, session := range s.sessions {
		if owner != "" && session.OwnerID != owner {
			continue
		}
		for _, tag := range session.Tags {
			counts[tag]++
		}
	}
	var all []sessioncleanup.TagCount
	for tag, n := range counts {
		all = append(all, sessioncleanup.TagCount{Tag: tag, Sessions: n})
	}
	slices.SortFunc(all, func(a, b sessioncleanup.TagCount) int { return strings.Compare(a.Tag, b.Tag) })
	return all, nil
}

// SetColumn sets the value of a column of Config.TagColumns for a session, as the application's UPDATE would, and
// replaces the tag of the column, without an event. It fails with ErrNotFound when there is no such session, and with
// ErrInvalid when the column is not one of Config.TagColumns.
func (s *Store) SetColumn(id, column, value string) error {
	if !slices.Contains(s.schema.TagColumns, column) {
		return invalid.Errorf("column is %q: want one of Config.TagColumns, %q", column, s.schema.TagColumns)
	}
	if err := s.lockOpen(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	session, there := s.sessions[id]
	if !there {
		return sessioncleanup.ErrNotFound
	}
	changed := session
	changed.Tags = tagsOf(sessioncleanup.Schema{TagColumns: []string{column}}, session.Tags, false)
	if tag := sessioncleanup.ColumnTag(column, value); tag != "" {
		changed.Tags = sessioncleanup.TagChange{Add: []string{tag}}.Apply(changed.Tags)
	}
	s.replace(session, changed)
	return nil
}

// tagsOf are those of some tags that follow a column of the schema or, with ofColumns false, the others.
func tagsOf(schema sessioncleanup.Schema, tags []string, ofColumns bool) (some []string) {
	for _, tag := range tags {
		if (schema.CheckTags(sessioncleanup.TagChange{Add: []string{tag}}) != nil) == ofColumns {
			some = append(some, tag)
		}
	}
	return some
}
