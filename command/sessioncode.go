package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sessioncleanup/sessioncleanup"
)

// People know a session by its code, so a code is accepted where an ID is, unless a session has that ID.

// maxNamed is how many sessions with the same code a message names.
const maxNamed = 5

// byIDOrCode calls do with the ID that was given or, when it finds no such session, with the ID of the session that has
// it as its code.
func byIDOrCode(ctx context.Context, db connection, word string, do func(id string) (sessioncleanup.Session, error)) (sessioncleanup.Session, error) {
	s, err := do(word)
	if !errors.Is(err, sessioncleanup.ErrNotFound) || !utf8.ValidString(word) {
		return s, err
	}
	if id, ok := unspelled(word); ok {
		return do(id)
	}
	ids, findErr := idsOfCode(ctx, db, word)
	switch {
	case findErr != nil:
		return s, findErr
	case len(ids) == 0:
		return s, err
	case len(ids) > 1:
		return s, usagef("%q is the code of several sessions: use the ID of one of them, %s", word, strings.Join(ids, ", "))
	}
	return do(ids[0])
}

// idsOfCode returns the IDs of the sessions with a code, maxNamed at most.
func idsOfCode(ctx context.Context, db connection, code string) (ids []string, err error) {
	o := sessioncleanup.ListOptions{Text: code, Limit: sessioncleanup.MaxPage}
	for {
		page, err := db.List(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("find the session with the code %q: %w", code, err)
		}
		for _, s := range page.Sessions {
			if s.Code == code && len(ids) < maxNamed {
				ids = append(ids, s.ID)
			}
		}
		if page.Next == "" || len(ids) == maxNamed {
			return ids, nil
		}
		o.Cursor = page.Next
	}
}
