package mysql

import (
	"fmt"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/sqlfile"
)

// A view measures each session by the stored rules for its tags, as sessioncleanup.Cutoffs.For does. Its definition has
// the rules in it.

// measuredInViews is the layout with rules of the lifecycle that do so.
func (l *layout) measuredInViews(cut sessioncleanup.Cutoffs, p params) *layout {
	if len(cut.Rules) == 0 {
		return l
	}
	of := func(name string, cutoff func(sessioncleanup.RuleCutoffs) time.Time, everyCounts bool) string {
		ruled, never, moments := []string{}, []string{"NULL"}, ""
		for i, r := range cut.Rules {
			tag := "'" + r.Tag + "'" // which has nothing to escape
			ruled = append(ruled, tag)
			switch at := cutoff(r); {
			case !at.IsZero():
				parameter := fmt.Sprintf("view_%s%d", name, i)
				p[parameter] = at
				moments += fmt.Sprintf(" WHEN %s THEN :%s", tag, parameter)
			case everyCounts:
				never = append(never, tag)
			}
		}
		return filled("view_cutoff", sqlfile.Names{
			"of_policy": ":" + name, "never": strings.Join(never, ", "), "moments": moments + " WHEN '' THEN NULL", "ruled": strings.Join(ruled, ", "),
		})
	}
	names := with(plainCutoffs, sqlfile.Names{
		"cut_inactive": of("inactive", func(r sessioncleanup.RuleCutoffs) time.Time { return r.Inactive }, true),
		"cut_delete":   of("delete", func(r sessioncleanup.RuleCutoffs) time.Time { return r.Delete }, true),
	})
	names["cut_warned"] = filled("view_warned", sqlfile.Names{
		"deleted_by": names["cut_delete"], "warned": of("warned", func(r sessioncleanup.RuleCutoffs) time.Time { return r.Warned }, false),
	})
	if names["cut_given_up"] = "NULL"; cut.Proceed {
		names["cut_given_up"] = names["cut_warned"]
	}
	out := *l
	out.names = with(l.names, names)
	out.seenRules = out.rules(asSeen)
	return &out
}

// archiveKeepInView is for how long an entry of the archive is kept, in microseconds, as an expression; NULL for ever.
func archiveKeepInView(policy sessioncleanup.Policy) string {
	keep := func(d time.Duration) string {
		if d == sessioncleanup.Never {
			return "NULL"
		}
		return fmt.Sprint(d.Microseconds())
	}
	base := keep(policy.ArchiveKeep)
	var any, rules []string
	for _, tag := range policy.RuleTags() {
		has := filled("view_had_tag", sqlfile.Names{"tag": "'" + tag + "'"})
		any = append(any, has)
		rules = append(rules, fmt.Sprintf("IF(%s, %s, 0)", has, keep(policy.ArchiveKeepOf([]string{tag}))))
	}
	if len(any) == 0 {
		return base
	}
	return fmt.Sprintf("IF(%s, GREATEST(0, %s), %s)", strings.Join(any, " OR "), strings.Join(rules, ", "), base) // with NULL it is NULL
}
