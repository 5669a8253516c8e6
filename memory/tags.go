package memory

import (
	"context"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// FollowsRules is true: each session is measured by its tags.
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
