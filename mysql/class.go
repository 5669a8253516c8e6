package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlstore"
)

// The class of a session stands for its tags that have a rule: a number in sessioncleanup_classes, NULL for none. The sessions
// table has it in an invisible column, so that runs find what is due of each class in a range of its own.
//
// Triggers note sessions whose tags change, whoever changes them, and runs write their new class; the library's own
// changes write it at once. So a session without a note has the right class, unless runs are still going through the
// tags of new rules. Until they are done, and for rules that are not stored, queries read the tags of every session.
// Writes always check the tags.

// classColumn is a column of the library's.
const classColumn = prefix + "class"

// ruleTag is a tag that classes are about.
type ruleTag struct {
	leaving bool // its rule is gone
	walked  bool // the sessions that have it have the right class
}

type ruleTags map[string]ruleTag

// follow reports whether the classes say which of some tags sessions have.
func (r ruleTags) follow(tags []string) bool {
	return !slices.ContainsFunc(tags, func(tag string) bool {
		known, ok := r[tag]
		return !ok || known.leaving || !known.walked
	})
}

func (c *conn) ruleTags(ctx context.Context) (ruleTags, error) {
	all := ruleTags{}
	err := c.query(ctx, statements["rule_tags"], nil, func(rows *sql.Rows) error {
		var tag string
		var of ruleTag
		err := rows.Scan(&tag, &of.leaving, &of.walked)
		all[tag] = of
		return err
	})
	return all, err
}

// setRuleTags has classes follow exactly some tags, or these as well. It locks the rows of tags in their order, so that programs with
// the same tags in another order do not deadlock.
func (c *conn) setRuleTags(ctx context.Context, tags []string, exactly bool) error {
	for _, tag := range slices.Sorted(slices.Values(tags)) {
		if _, err := c.exec(ctx, statements["add_rule_tag"], params{"tag": tag}); err != nil {
			return err
		}
	}
	if !exactly {
		return nil
	}
	p := params{"ruled": sqlstore.List(tags), "none": len(tags) == 0}
	_, err := c.exec(ctx, statements["drop_rule_tags"], p)
	return err
}

// classes are the tags of each class.
func (c *conn) classes(ctx context.Context) (map[int64][]string, error) {
	all := map[int64][]string{}
	err := c.query(ctx, statements["classes"], nil, func(rows *sql.Rows) error {
		var class int64
		var tags string
		err := rows.Scan(&class, &tags)
		all[class] = strings.Fields(tags)
		return err
	})
	return all, err
}

// classOf is the class of some tags, NULL for none.
func (c *conn) classOf(ctx context.Context, tags string) (class sql.NullInt64, err error) {
	if tags == "" {
		return class, nil
	}
	digest := sha256.Sum256([]byte(tags))
	p := params{"tags": tags, "digest": digest[:]}
	err = c.row(ctx, statements["class_of"], p, &class)
	if !errors.Is(err, sql.ErrNoRows) {
		return class, err
	}
	if _, err = c.exec(ctx, statements["add_class_of"], p); err != nil {
		return class, err
	}
	return class, c.row(ctx, statements["class_of"], p, &class)
}

// taggedAtOnce is how many sessions are classed in one transaction.
const taggedAtOnce = 1000

// For how long sessions are classed at most, in transactions of a moment each: by a batch, by a change of the policy, and by Migrate.
const (
	classFor    = time.Second
	classAtOnce = 5 * time.Second
	classAll    = time.Duration(math.MaxInt64)
)

// classify has the classes of sessions follow their tags and the rules of the run: some of them, with the lease of the
// batch. It returns how many steps that took, and whether there is more to do.
func (s *Store) classify(ctx context.Context, b sessioncleanup.Batch) (steps int, more bool, err error) {
	for started := time.Now(); ; {
		if more, err = s.classSome(ctx, b); err != nil || !more {
			return steps, more, err
		}
		if steps++; time.Since(started) > classFor {
			return steps, true, nil
		}
	}
}

// classSome is one step of that, in one transaction.
func (s *Store) classSome(ctx context.Context, b sessioncleanup.Batch) (more bool, err error) {
	err = s.writingSessions(ctx, func(c *conn) error {
		known, err := c.ruleTags(ctx)
		if err != nil {
			return err
		}
		tags := sqlstore.RuleTags(b.Cutoffs)
		if slices.ContainsFunc(tags, func(tag string) bool { of, ok := known[tag]; return !ok || of.leaving }) {
			if err := c.guard(ctx, b.Lease); err != nil {
				return err
			}
			if err := c.setRuleTags(ctx, tags, false); err != nil {
				return err
			}
		}
		more, err = c.classTagged(ctx, b.Lease)
		return err
	})
	return more, err
}

// followTags classes sessions whose tags or rules changed: all of them, or for as long as it may take. Runs do the rest.
func (s *Store) followTags(ctx context.Context, atMost time.Duration) error {
	started := time.Now()
	for more := true; more && time.Since(started) < atMost; {
		err := s.writingSessions(ctx, func(c *conn) (err error) {
			more, err = c.classTagged(ctx, sessioncleanup.Lease{})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// classTagged classes some sessions: those whose tags changed, or else some of those with a tag whose rule is new or gone.
func (c *conn) classTagged(ctx context.Context, lease sessioncleanup.Lease) (more bool, err error) {
	notes, order, err := c.notesBySession(ctx, "find_retagged", params{"limit": taggedAtOnce})
	if err != nil {
		return false, err
	}
	if len(order) == 0 {
		return c.walkTagged(ctx, lease)
	}
	if err := c.guard(ctx, lease); err != nil {
		return false, err
	}
	locked, err := c.class(ctx, c.adopted.ID.list(order))
	if err != nil {
		return false, err
	}
	var done []any
	for _, id := range order {
		if !slices.Contains(locked, id) {
			done = append(done, notes[id]...)
		}
	}
	if len(done) == 0 { // all are locked: the next run will see
		return c.walkTagged(ctx, lease)
	}
	_, err = c.exec(ctx, statements["forget_retagged"], params{"notes": done})
	return true, err
}

// walkTagged classes some sessions with a tag whose rule is new or gone. Those that are locked are noted.
func (c *conn) walkTagged(ctx context.Context, lease sessioncleanup.Lease) (more bool, err error) {
	var tag string
	var leaving bool
	var after sql.NullString
	err = c.row(ctx, statements["next_rule_tag"], nil, &tag, &leaving, &after)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err == nil {
		err = c.guard(ctx, lease)
	}
	if err != nil {
		return false, err
	}
	names, p := sqlfile.Names{"behind": "TRUE"}, params{"tag": tag, "limit": taggedAtOnce}
	if after.Valid {
		p["after"], _ = c.adopted.ID.bind(after.String)
		names["behind"] = statements["behind_tagged"]
	}
	var ids []string
	if err := c.query(ctx, c.sql("next_tagged", names), p, sqlstore.Each(&ids)); err != nil {
		return false, err
	}
	locked, err := c.class(ctx, c.adopted.ID.list(ids))
	if err != nil {
		return false, err
	}
	for _, id := range c.adopted.ID.list(locked) {
		if _, err := c.exec(ctx, statements["note_retagged"], params{"id": id}); err != nil {
			return false, err
		}
	}
	switch {
	case len(ids) == taggedAtOnce:
		_, err = c.exec(ctx, statements["walked_up_to"], params{"tag": tag, "after": []byte(ids[len(ids)-1])})
	case leaving:
		if _, err = c.exec(ctx, statements["forget_rule_tag"], params{"tag": tag}); err == nil {
			err = c.forgetClasses(ctx)
		}
	default:
		_, err = c.exec(ctx, statements["walked"], params{"tag": tag})
	}
	return true, err
}

// forgetClasses forgets the classes with a tag that has no rule any more, but for those that sessions have, or may be getting.
func (c *conn) forgetClasses(ctx context.Context) error {
	known, err := c.ruleTags(ctx)
	if err != nil {
		return err
	}
	all, err := c.classes(ctx)
	if err != nil {
		return err
	}
	maps.DeleteFunc(all, func(_ int64, tags []string) bool {
		return !slices.ContainsFunc(tags, func(tag string) bool { _, ruled := known[tag]; return !ruled })
	})
	if len(all) == 0 {
		return nil
	}
	var unused, used []int64
	p := params{"classes": sqlstore.List(slices.Sorted(maps.Keys(all)))}
	if err := c.query(ctx, statements["lock_classes"], p, sqlstore.Each(&unused)); err != nil {
		return err
	}
	if err := c.query(ctx, c.sql("used_classes", sqlfile.Names{"states": quoted(c.stretchColumns())}), nil, sqlstore.Each(&used)); err != nil {
		return err
	}
	unused = slices.DeleteFunc(unused, func(class int64) bool { return slices.Contains(used, class) })
	_, err = c.exec(ctx, statements["forget_classes"], params{"classes": sqlstore.List(unused)})
	return err
}

// class writes the class of some sessions, and returns those that others have locked. Where a constraint or a trigger
// of the application refuses it, it stays as it is.
func (c *conn) class(ctx context.Context, ids []any) (locked []string, err error) {
	there, err := c.classed(ctx, ids)
	if err != nil || len(there) == 0 {
		return nil, err
	}
	free, err := c.lock(ctx, ids, false)
	if err != nil {
		return nil, err
	}
	found, err := c.classed(ctx, free)
	if err != nil {
		return nil, err
	}
	byTags := map[string][]string{}
	for id, s := range found {
		byTags[s.tags] = append(byTags[s.tags], id)
	}
	for _, tags := range slices.Sorted(maps.Keys(byTags)) { // in their order, as another process may add some of the same classes
		class, err := c.classOf(ctx, tags)
		if err != nil {
			return nil, err
		}
		other := slices.DeleteFunc(byTags[tags], func(id string) bool { return found[id].class == class })
		if err := c.writeClass(ctx, c.adopted.ID.list(other), class); err != nil {
			return nil, err
		}
	}
	for id := range there {
		if _, free := found[id]; !free {
			locked = append(locked, id)
		}
	}
	return locked, nil
}

// classed is a session with its tags that have a rule, and the class that it has now.
type classed struct {
	tags  string
	class sql.NullInt64
}

// classed reads some sessions by their ids.
func (c *conn) classed(ctx context.Context, ids []any) (map[string]classed, error) {
	all := map[string]classed{}
	if len(ids) == 0 {
		return all, nil
	}
	err := c.query(ctx, c.sql("tags_and_class", nil), params{"ids": ids}, func(rows *sql.Rows) error {
		var id string
		var tags sql.NullString
		var class sql.NullInt64
		err := rows.Scan(&id, &tags, &class)
		all[id] = classed{tags.String, class}
		return err
	})
	return all, err
}

// writeClass writes the class of sessions that are locked.
func (c *conn) writeClass(ctx context.Context, ids []any, class sql.NullInt64) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := c.exec(ctx, c.sql("write_class", nil), params{"chosen": chosen(ids), "class": class})
	switch {
	case !refused(err):
		return err
	case len(ids) == 1:
		return nil
	}
	for _, id := range ids {
		if err := c.writeClass(ctx, []any{id}, class); err != nil {
			return err
		}
	}
	return nil
}

// followRules has classes follow the rules of the stored policy, for as long as that may take.
func (s *Store) followRules(ctx context.Context, p sessioncleanup.Policy, atMost time.Duration) error {
	err := s.writing(ctx, func(c *conn) error { return c.setRuleTags(ctx, p.RuleTags(), true) })
	if err != nil {
		return err
	}
	return s.followTags(ctx, atMost)
}
