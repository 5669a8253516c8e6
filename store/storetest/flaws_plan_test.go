package storetest

import (
	"context"
	"slices"
	"strings"

	"github.com/sessioncleanup/sessioncleanup"
)

// setsPlan replaces what the application writes into the column plan.
func setsPlan(set func(ctx context.Context, id, value string, set func(context.Context, string, string) error) error) func(*Harness, *broken) {
	return func(h *Harness, _ *broken) {
		sound := h.SetPlan
		h.SetPlan = func(ctx context.Context, id, value string) error { return set(ctx, id, value, sound) }
	}
}

func ofPlan(tag string) bool { return strings.HasPrefix(tag, "plan:") }

// tagBlind lists notices whatever the tags of their sessions.
type tagBlind struct{ sessioncleanup.Outbox }

func (o tagBlind) Notices(ctx context.Context, q sessioncleanup.NoticeQuery) ([]sessioncleanup.Notice, error) {
	q.Tags = ""
	return o.Outbox.Notices(ctx, q)
}

// profilesAll profiles sessions whatever their tags.
type profilesAll struct{ sessioncleanup.Profiler }

func (p profilesAll) Profile(ctx context.Context, t sessioncleanup.Thresholds, _ string) (sessioncleanup.Profile, error) {
	return p.Profiler.Profile(ctx, t, "")
}

func planFlaws() []flaw {
	followed := []func(*fixture){planFollowed}
	return []flaw{
		{"keeps the tag of a column that became empty", setsPlan(func(ctx context.Context, id, value string, set func(context.Context, string, string) error) error {
			if value == "" {
				return nil
			}
			return set(ctx, id, value)
		}), followed},
		{"takes the tag of a column from small letters only", setsPlan(func(ctx context.Context, id, value string, set func(context.Context, string, string) error) error {
			if strings.ToLower(value) != value {
				value = ""
			}
			return set(ctx, id, value)
		}), followed},
		{"makes a tag of any value of a column", setsPlan(func(ctx context.Context, id, value string, set func(context.Context, string, string) error) error {
			return set(ctx, id, strings.ReplaceAll(value, " ", "-"))
		}), followed},
		{"leaves out tags of columns that are to be set, without an error", updates(func(_ *sessioncleanup.Target, c *sessioncleanup.Change) {
			c.Tags.Add = slices.DeleteFunc(slices.Clone(c.Tags.Add), ofPlan)
			c.Tags.Remove = slices.DeleteFunc(slices.Clone(c.Tags.Remove), ofPlan)
		}), []func(*fixture){planOnly}},
		{"restores sessions without the tags of columns", func(h *Harness, b *broken) {
			set := h.SetPlan
			restoresThen(func(ctx context.Context, _ *broken, r sessioncleanup.RestoreRequest, out *sessioncleanup.Restored) error {
				for _, e := range out.Entries {
					if r.DryRun {
						continue
					}
					if err := set(ctx, e.SessionID, ""); err != nil {
						return err
					}
				}
				return nil
			})(h, b)
		}, []func(*fixture){planArchived}},
		{"profiles sessions whatever their tags", func(_ *Harness, b *broken) { b.Profiler = profilesAll{b.Profiler} }, []func(*fixture){tagsSelect}},
		{"lists notices whatever the tags", func(_ *Harness, b *broken) { b.Outbox = tagBlind{b.Outbox} }, []func(*fixture){outboxTagged}},
		{"measures sessions whatever the tags of columns", func(_ *Harness, b *broken) {
			b.sweep = func(ctx context.Context, batch sessioncleanup.Batch) (sessioncleanup.BatchResult, error) {
				batch.Cutoffs.Rules = slices.DeleteFunc(slices.Clone(batch.Cutoffs.Rules), func(r sessioncleanup.RuleCutoffs) bool { return ofPlan(r.Tag) })
				return b.Store.Sweep(ctx, batch)
			}
		}, []func(*fixture){rulesOfPlan}},
	}
}
