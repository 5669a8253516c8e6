package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// session is a session as clients see it. Every field is always present.
type session struct {
	ID            string                `json:"id"`
	Code          string                `json:"code"`
	Name          string                `json:"name"`
	OwnerID       string                `json:"owner_id"`
	OwnerName     string                `json:"owner_name"`
	Active        bool                  `json:"active"`
	AutoCleanup   bool                  `json:"auto_cleanup"`
	CreatedAt     *time.Time            `json:"created_at"`
	UpdatedAt     *time.Time            `json:"updated_at"`
	LastActivity  time.Time             `json:"last_activity"`
	ExpiresAt     *time.Time            `json:"expires_at"`
	DeactivatedAt *time.Time            `json:"deactivated_at"`
	HoursInactive float64               `json:"hours_inactive"`
	DaysOld       *float64              `json:"days_old"`
	Status        sessioncleanup.Status `json:"status"`
	CleanupStatus string                `json:"cleanup_status"`
	DeactivateAt  *time.Time            `json:"deactivate_at"`
	DeleteAt      *time.Time            `json:"delete_at"`
	// The tags whose rules set these times, or say never; empty: the policy.
	DeactivateRule string     `json:"deactivate_rule"`
	DeleteRule     string     `json:"delete_rule"`
	ActivityCount  int64      `json:"activity_count"`
	Warning        *string    `json:"warning"`   // of its deletion, for this idle period: see warningOf
	WarnedAt       *time.Time `json:"warned_at"` // when it was delivered
	Tags           []string   `json:"tags"`

	State    prospect                    `json:"state"`
	StateAt  *time.Time                  `json:"state_until"`
	Actions  []sessioncleanup.BulkAction `json:"actions"`   // that make sense now
	KeepDays []int                       `json:"keep_days"` // of the action keep: those that postpone the deletion
}

// sessionOf is a session as clients see it; p says for how long it can be kept.
func sessionOf(s sessioncleanup.Session, p sessioncleanup.Policy) session {
	out := session{
		ID: s.ID, Code: s.Code, Name: s.Name, OwnerID: s.OwnerID, OwnerName: s.OwnerName,
		Active: s.Active, AutoCleanup: s.AutoCleanup,
		CreatedAt: known(s.CreatedAt), UpdatedAt: known(s.UpdatedAt), LastActivity: s.LastActivity, ExpiresAt: known(s.ExpiresAt),
		DeactivatedAt: known(s.DeactivatedAt),
		HoursInactive: hundredths(s.AsOf.Sub(s.LastActivity).Hours()), Status: s.Status, CleanupStatus: cleanupStatus(s.Status),
		DeactivateAt: dueAt(s.DeactivateAt, s.AsOf), DeleteAt: dueAt(s.DeleteAt, s.AsOf), DeactivateRule: s.DeactivateRule, DeleteRule: s.DeleteRule, ActivityCount: s.ActivityCount, Tags: append([]string{}, s.Tags...),
	}
	out.Warning, out.WarnedAt = warningOf(s.Warning), known(s.Warning.DeliveredAt)
	if !s.CreatedAt.IsZero() {
		out.DaysOld = new(hundredths(s.AsOf.Sub(s.CreatedAt).Hours() / 24))
	}
	state, at := prospectOf(s)
	out.State, out.StateAt = state, dueAt(at, s.AsOf)
	out.Actions, out.KeepDays = actionsOf(s, p)
	return out
}

// warningOf is what became of the warning of a session's owner; nil when no run has written one.
func warningOf(w sessioncleanup.Warning) *string {
	switch {
	case !w.DeliveredAt.IsZero():
		return new("delivered")
	case !w.UndeliverableAt.IsZero():
		return new("undeliverable")
	case !w.QueuedAt.IsZero():
		return new("waiting")
	default:
		return nil
	}
}

// keepable are the days that the action keep is offered for, for sessions with these tags.
func keepable(p sessioncleanup.Policy, tags []string) []int {
	longest := longestKeep(p, tags)
	days := slices.DeleteFunc([]int{7, 30}, func(n int) bool { return n > longest })
	if len(days) == 0 && longest > 0 {
		days = append(days, longest)
	}
	return days
}

// actionsOf are the actions that change something about a session, and the days of the action keep that do.
func actionsOf(s sessioncleanup.Session, p sessioncleanup.Policy) ([]sessioncleanup.BulkAction, []int) {
	actions, days := []sessioncleanup.BulkAction{sessioncleanup.BulkReactivate}, []int{}
	if s.Active {
		actions[0] = sessioncleanup.BulkDeactivate
	}
	for _, n := range keepable(p, s.Tags) {
		if !s.Active && !s.DeleteAt.IsZero() && s.DeleteAt.Sub(s.AsOf) < time.Duration(n)*day {
			days = append(days, n)
		}
	}
	if len(days) > 0 {
		actions = append(actions, sessioncleanup.BulkKeep)
	}
	if s.AutoCleanup {
		actions = append(actions, sessioncleanup.BulkProtect)
	} else {
		actions = append(actions, sessioncleanup.BulkUnprotect)
	}
	return append(actions, sessioncleanup.BulkDelete), days
}

// hundredths rounds what is not negative to hundredths.
func hundredths(v float64) float64 { return math.Round(max(v, 0)*100) / 100 }

// cleanupStatus is a status in the words of docs/guide.md: "À désactiver" and "À supprimer" for what is due, "Actif" for
// everything else.
func cleanupStatus(s sessioncleanup.Status) string {
	switch s {
	case sessioncleanup.StatusToDeactivate:
		return "À désactiver"
	case sessioncleanup.StatusToDelete:
		return "À supprimer"
	default:
		return "Actif"
	}
}

func sessionsOf(all []sessioncleanup.Session, p sessioncleanup.Policy) []session {
	out := make([]session, len(all))
	for i, s := range all {
		out[i] = sessionOf(s, p)
	}
	return out
}

// known is nil for a zero time. JSON has no year beyond 9999, which a long threshold may reach.
func known(t time.Time) *time.Time {
	if t.IsZero() || t.Year() > 9999 {
		return nil
	}
	return &t
}

// given is nil for an empty text.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// dueAt is when something is due: now, when it is overdue, and nil for never.
func dueAt(t, now time.Time) *time.Time {
	if !t.IsZero() && t.Before(now) {
		t = now
	}
	return known(t)
}

// sessionAnswer is the response of the routes that concern one session.
type sessionAnswer struct {
	Success bool    `json:"success"`
	Message string  `json:"message,omitempty"`
	Session session `json:"session"`
}

// timed is the request's context with Options.Timeout.
func (c *call) timed() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.r.Context(), c.Timeout)
}

// get is the session that the path names.
func (c *call) get() (sessioncleanup.Session, error) {
	if !readable(c.id) {
		return sessioncleanup.Session{}, sessioncleanup.ErrNotFound
	}
	ctx, cancel := c.timed()
	defer cancel()
	return c.m.Get(ctx, c.id)
}

// session serves GET /{id}.
func (c *call) session() error {
	s, err := c.get()
	if err != nil {
		return err
	}
	if done, err := c.fresh(sessionTag(s)); done || err != nil {
		return err
	}
	return c.reply(sessionAnswer{Success: true, Session: sessionOf(s, c.m.Policy())})
}

// viewed is a session of GET /view, which also has the names of the guide: those of its owner, and total_propositions,
// the number of its rows in the activity table, where there is one of that name.
type viewed struct {
	session
	StreamerID   string `json:"streamer_id"`
	StreamerName string `json:"streamer_name"`
	table        string
}

func (v viewed) MarshalJSON() ([]byte, error) {
	type plain viewed // without this method
	data, err := json.Marshal(plain(v))
	if err != nil || v.table == "" {
		return data, err
	}
	key, err := json.Marshal("total_" + v.table)
	return fmt.Appendf(data[:len(data)-1], ",%s:%d}", key, v.ActivityCount), err
}

type viewAnswer struct {
	Success    bool                `json:"success"`
	Sessions   []viewed            `json:"sessions"`
	UserRole   sessioncleanup.Role `json:"user_role"`
	NextCursor *string             `json:"next_cursor"`
}

// view serves GET /view: a page of sessions.
func (c *call) view() error {
	o, err := c.listOptions()
	if err != nil {
		return err
	}
	ctx, cancel := c.timed()
	defer cancel()
	page, err := c.m.List(ctx, o)
	if err != nil {
		return cursorFault(err)
	}
	if done, err := c.fresh(pageTag(c.who.Role, page)); done || err != nil {
		return err
	}
	table, err := c.activityTable(ctx)
	if err != nil {
		return err
	}
	out := viewAnswer{Success: true, Sessions: make([]viewed, len(page.Sessions)), UserRole: c.who.Role, NextCursor: given(page.Next)}
	policy := c.m.Policy()
	for i, s := range page.Sessions {
		out.Sessions[i] = viewed{session: sessionOf(s, policy), StreamerID: s.OwnerID, StreamerName: s.OwnerName, table: table}
	}
	return c.reply(out)
}

// activityTable asks for it once.
func (a *api) activityTable(ctx context.Context) (string, error) {
	if known := a.activity.Load(); known != nil {
		return *known, nil
	}
	name, err := a.manager.ActivityTable(ctx)
	if err == nil {
		a.activity.Store(&name)
	}
	return name, err
}

// listOptions reads the query of GET /view.
func (c *call) listOptions() (o sessioncleanup.ListOptions, err error) {
	o.OwnerID, o.Text, o.Cursor = c.values.Get("owner"), c.values.Get("q"), c.values.Get("cursor")
	if o.Limit, err = c.limit(0); err != nil {
		return o, err
	}
	if o.Tags, err = tagFilter("tags", c.values.Get("tags")); err != nil {
		return o, err
	}
	if o.Status, err = oneOf(c, "status", sessioncleanup.Selections()); err != nil {
		return o, err
	}
	o.Sort, o.Descending, err = order(c, sortNames, sessioncleanup.SortLastActivity)
	return o, err
}

// sortNames are the orders as a query names them; a minus reverses one.
var sortNames = signed(sessioncleanup.Sorts())
