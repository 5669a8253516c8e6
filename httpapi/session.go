package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
)

// session is a session as clients see it. Every field is always there.
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
	HoursInactive float64               `json:"hours_inactive"`
	DaysOld       *float64              `json:"days_old"`
	Status        sessioncleanup.Status `json:"status"`
	CleanupStatus string                `json:"cleanup_status"`
	DeleteAt      *time.Time            `json:"delete_at"`
	ActivityCount int64                 `json:"activity_count"`
}

func sessionOf(s *sessioncleanup.Session, c sessioncleanup.Cutoffs) session {
	out := session{
		ID: s.ID, Code: s.Code, Name: s.Name, OwnerID: s.OwnerID, OwnerName: s.OwnerName,
		Active: s.Active, AutoCleanup: s.AutoCleanup,
		CreatedAt: known(s.CreatedAt), UpdatedAt: known(s.UpdatedAt), LastActivity: s.LastActivity, ExpiresAt: known(s.ExpiresAt),
		HoursInactive: c.HoursInactive(*s), Status: s.Status, CleanupStatus: s.Status.CleanupStatus(),
		DeleteAt: known(c.DeleteAt(*s)), ActivityCount: s.ActivityCount,
	}
	if days, ok := c.DaysOld(*s); ok {
		out.DaysOld = &days
	}
	return out
}

// known is nil for a time that is not known. JSON has no year beyond 9999, which a far threshold may reach.
func known(t time.Time) *time.Time {
	if t.IsZero() || t.Year() > 9999 {
		return nil
	}
	return &t
}

// sessionAnswer is what routes that concern one session answer.
type sessionAnswer struct {
	Success bool    `json:"success"`
	Message string  `json:"message,omitempty"`
	Session session `json:"session"`
}

// timed is the request's context with Options.Timeout.
func (c *call) timed() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.r.Context(), c.Timeout)
}

// session serves GET /{id}.
func (c *call) session() error {
	if _, err := c.query(); err != nil {
		return err
	}
	if !possible(c.id) {
		return sessioncleanup.ErrNotFound
	}
	ctx, cancel := c.timed()
	defer cancel()
	cutoffs, err := c.m.Cutoffs(ctx)
	if err != nil {
		return err
	}
	s, err := c.m.Get(ctx, c.id)
	if err != nil {
		return err
	}
	if done, err := c.fresh(sessionTag(&s)); done || err != nil {
		return err
	}
	return c.reply(sessionAnswer{Success: true, Session: sessionOf(&s, cutoffs)})
}

// view serves GET /view: a page of sessions.
func (c *call) view() error {
	values, err := c.query("status", "owner", "q", "sort", "limit", "cursor")
	if err != nil {
		return err
	}
	o := sessioncleanup.ListOptions{OwnerID: values.Get("owner"), Text: values.Get("q"), Cursor: values.Get("cursor")}
	if o.Limit, err = limitOf(values); err != nil {
		return err
	}
	if o.Status, err = oneOf(values, "status", sessioncleanup.Statuses()); err != nil {
		return err
	}
	sort, err := oneOf(values, "sort", sortNames)
	if err != nil {
		return err
	}
	o.Descending = len(sort) > 0 && sort[0] == '-'
	if o.Sort = sessioncleanup.Sort(sort); o.Descending {
		o.Sort = o.Sort[1:]
	}
	ctx, cancel := c.timed()
	defer cancel()
	page, err := c.m.List(ctx, o)
	if err != nil {
		return cursorFault(err)
	}
	return c.page(page)
}

// sortNames are the orders, as a query names them; a minus turns one round.
var sortNames = func() []string {
	var names []string
	for _, s := range sessioncleanup.Sorts() {
		names = append(names, string(s), "-"+string(s))
	}
	return names
}()

type viewAnswer struct {
	Success    bool                `json:"success"`
	Sessions   []session           `json:"sessions"`
	UserRole   sessioncleanup.Role `json:"user_role"`
	NextCursor *string             `json:"next_cursor"`
}

func (c *call) page(page sessioncleanup.SessionPage) error {
	tag := newTagger()
	tag.text(string(c.who.Role), page.Next)
	out := viewAnswer{Success: true, Sessions: make([]session, len(page.Sessions)), UserRole: c.who.Role}
	for i := range page.Sessions {
		tag.session(&page.Sessions[i])
		out.Sessions[i] = sessionOf(&page.Sessions[i], page.Cutoffs)
	}
	if page.Next != "" {
		out.NextCursor = &page.Next
	}
	if done, err := c.fresh("W/" + tag.tag()); done || err != nil {
		return err
	}
	return c.reply(out)
}

// openapi serves GET /openapi.yaml.
func (c *call) openapi() error {
	if _, err := c.query(); err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/yaml")
	c.send(http.StatusOK, c.document)
	return nil
}
