package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/sessioncleanup/sessioncleanup"
)

var _ sessioncleanup.Tagger = (*Store)(nil)

// Tags counts the sessions of each tag.
func (s *Store) Tags(ctx context.Context, owner string) ([]sessioncleanup.TagCount, error) {
	m, err := s.ready(ctx)
	if err != nil || m.matchesNothing(sessioncleanup.Filter{OwnerID: owner}) {
		return nil, err
	}
	return collect(ctx, s, "tags_count", func(row pgx.CollectableRow) (t sessioncleanup.TagCount, err error) {
		err = row.Scan(&t.Tag, &t.Sessions)
		return t, err
	}, orNull(owner))
}
