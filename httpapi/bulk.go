package httpapi

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

type bulkAnswer struct {
	Success bool                      `json:"success"`
	DryRun  bool                      `json:"dry_run"`
	Action  sessioncleanup.BulkAction `json:"action"`
	sessioncleanup.BulkResult
}

// bulk serves POST /bulk: one change of many sessions.
func (c *call) bulk() error {
	var b sessioncleanup.Bulk
	var days int
	err := c.body(map[string]field{
		"action":   choice(&b.Action, sessioncleanup.BulkActions()),
		"days":     count(&days),
		"add":      tagList(&b.Tags.Add),
		"remove":   tagList(&b.Tags.Remove),
		"ids":      idList(&b.IDs),
		"owner":    ownerID(&b.OwnerID),
		"status":   choice(&b.Status, sessioncleanup.Statuses()),
		"q":        words(&b.Text),
		"tags":     tagFilterField(&b.Match),
		"expected": count(&b.Expected),
		"dry_run":  boolean(&b.DryRun),
	}, "action")
	if err == nil {
		err = c.checkBulk(b, days)
	}
	if err != nil {
		return err
	}
	b.Keep = time.Duration(days) * day
	s := c.streamed()
	b.Progress = func(done, of int) error {
		s.progress(done, of)
		return limited(c.LimitChanges, c.r, c.who)
	}
	if err := c.reachable(c.r.Context()); err != nil {
		return err
	}
	defer c.forgetAll()
	res, err := worked(s, func(ctx context.Context) (sessioncleanup.BulkResult, error) { return c.m.Bulk(ctx, b) })
	if err != nil {
		f := *c.faultOf(err)
		f.extra.Bulk = &res
		c.hideBulkErrors(&res)
		return s.end(&f)
	}
	c.hideBulkErrors(&res)
	return s.reply(bulkAnswer{Success: true, DryRun: b.DryRun, Action: b.Action, BulkResult: res})
}

// checkBulk finds what is wrong between the fields.
func (c *call) checkBulk(b sessioncleanup.Bulk, days int) error {
	policy := c.m.Policy()
	longest := longestKeep(policy, nil) // of any session: those that can be kept for less are among the failures
	rules, _ := sessioncleanup.ParseRules(policy.Rules)
	for _, r := range rules {
		longest = max(longest, longestKeep(policy, []string{r.Tag}))
	}
	switch {
	case b.Action == sessioncleanup.BulkKeep && days == 0:
		return wrong("days", msgMissing)
	case b.Action == sessioncleanup.BulkTag && len(b.Tags.Add)+len(b.Tags.Remove) == 0:
		return wrong("add", msgMissing)
	case b.Tags.Validate() != nil:
		return wrong("remove", msgAddedToo)
	case days > longest:
		return wrong("days", msgFromTo, days, longest)
	case b.IDs != nil && (b.OwnerID != "" || b.Status != "" || b.Text != "" || b.Match != ""):
		return wrong("ids", msgEither)
	case b.IDs == nil && !b.DryRun && b.Expected == 0:
		return wrong("expected", msgMissing)
	case b.Expected > sessioncleanup.MaxBulk:
		return wrong("expected", msgFromTo, b.Expected, sessioncleanup.MaxBulk)
	}
	return nil
}

// hideBulkErrors replaces the errors of the result, which may quote the database.
func (c *call) hideBulkErrors(res *sessioncleanup.BulkResult) {
	for i := range res.Failures {
		res.Failures[i].Error = msgNotChanged[c.lang]
	}
}

// choice reads one of some words.
func choice[T ~string](to *T, allowed []T) field {
	return func(name string, raw json.RawMessage) error {
		var v T
		if err := json.Unmarshal(raw, &v); err != nil || !slices.Contains(allowed, v) {
			return wrong(name, msgOneOf, unquoted(raw), listed(allowed))
		}
		*to = v
		return nil
	}
}

// idList reads the IDs of sessions.
func idList(to *[]string) field {
	return func(name string, raw json.RawMessage) error {
		err := json.Unmarshal(raw, to)
		bad := func(id string) bool { return id == "" || !readable(id) }
		if err != nil || len(*to) == 0 || len(*to) > sessioncleanup.MaxPage || slices.ContainsFunc(*to, bad) {
			return wrong(name, msgIDs, sessioncleanup.MaxPage, maxText)
		}
		return nil
	}
}
