package httpapi

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/keeplink"
)

// The page behind a keep link: GET shows the sessions of its owner that will be deleted, POST keeps one or all of them.
// Programs that look at the links in mails only read.

//go:embed keeplink.html
var keepHTML string

var keepTemplate = template.Must(template.New("").Parse(keepHTML))

const (
	keepShown   = 100  // sessions on the page
	keepAtOnce  = 1000 // sessions that "all" keeps; the page shows those that are left
	keepPolicy  = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	keepTimeout = 15 * time.Second // for keeping all; those kept until then stay kept
	keepAtMost  = 30 * day
)

// keepPage is what the template shows.
type keepPage struct {
	Language, Title, Message, Introduction string
	Sessions                               []keepSession
	Others, All, ForDays, Always           string
}

type keepSession struct{ ID, Name, Used, Deleted, ForDays string }

// linked is the principal of a keep link's token. From here on the response, errors included, is a page.
func (c *call) linked() (sessioncleanup.Principal, error) {
	if c.KeepLinks == nil {
		return sessioncleanup.Principal{}, &fault{problem: notFound, detail: msgNoRoute}
	}
	c.html = true
	h := c.w.Header()
	h.Set("Content-Security-Policy", keepPolicy)
	h.Set("Referrer-Policy", "same-origin") // the link is a secret; the form's own request needs its origin
	h.Set("X-Robots-Tag", "noindex")
	values, err := url.ParseQuery(c.r.URL.RawQuery) // with whatever a mail service adds
	if err != nil || len(values["token"]) != 1 {
		return sessioncleanup.Principal{}, &fault{problem: invalidLink}
	}
	c.grant, err = c.KeepLinks.Read(values.Get("token"), time.Now())
	switch {
	case errors.Is(err, keeplink.ErrExpired):
		return sessioncleanup.Principal{}, &fault{problem: expiredLink, args: []any{c.keepTime(c.grant.Until)}}
	case err != nil || !readable(c.grant.Owner):
		return sessioncleanup.Principal{}, &fault{problem: invalidLink}
	}
	return sessioncleanup.Principal{ID: c.grant.Owner, Role: sessioncleanup.RoleOwner}, nil
}

// showKeep serves GET /keep.
func (c *call) showKeep() error { return c.keepPage("") }

// useKeep serves POST /keep.
func (c *call) useKeep() error {
	form, err := c.form()
	if err != nil {
		return err
	}
	one, all, how := form.Get("session"), form.Get("all") == "true", form.Get("for")
	if how != "days" && how != "always" || all == (one != "") {
		return &fault{problem: invalidRequest}
	}
	if one != "" && !readable(one) {
		return sessioncleanup.ErrNotFound
	}
	c.m = c.m.Because("keep link")
	defer c.forget(c.who.ID)
	ctx, cancel := context.WithTimeout(c.r.Context(), max(keepTimeout, c.Timeout))
	defer cancel()
	if one != "" {
		s, err := c.m.Get(ctx, one)
		if err == nil {
			s, err = c.keepOne(ctx, s, how)
		}
		if err != nil {
			return err
		}
		return c.keepPage(fmt.Sprintf(msgKeptOne[c.lang], sessionName(s)))
	}
	sessions, err := c.warned(ctx)
	if err != nil {
		return err
	}
	kept := 0
	for _, s := range sessions {
		switch _, err := c.keepOne(ctx, s, how); {
		case err == nil:
			kept++
		case errors.Is(err, sessioncleanup.ErrNotFound): // deleted meanwhile
		case kept > 0 && ctx.Err() != nil && c.r.Context().Err() == nil:
			return c.keepPage(fmt.Sprintf(msgKeptSome[c.lang], kept))
		default:
			return err
		}
	}
	return c.keepPage(fmt.Sprintf(msgKeptSome[c.lang], kept))
}

// form reads the form that the page sends.
func (c *call) form() (url.Values, error) {
	mediaType, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return nil, &fault{problem: notJSON, detail: msgForm}
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, maxBody)
	err = c.r.ParseForm()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &fault{problem: tooLarge}
	}
	if err != nil {
		return nil, &fault{problem: invalidRequest, detail: msgBodyRead}
	}
	return c.r.PostForm, nil
}

func (c *call) keepOne(ctx context.Context, s sessioncleanup.Session, how string) (sessioncleanup.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if how == "always" {
		return c.m.SetAutoCleanup(ctx, s.ID, false)
	}
	return c.m.Keep(ctx, s.ID, c.keepFor(s))
}

// keepFor is for how long a session is kept: 30 days, or as long as possible.
func (c *call) keepFor(s sessioncleanup.Session) time.Duration {
	if longest := c.m.Policy().LongestKeep(s.Tags); longest != sessioncleanup.Never {
		return min(keepAtMost, longest)
	}
	return keepAtMost
}

// warned are the sessions whose owner was warned, the longest unused first, keepAtOnce at most. Those used later than
// what is warned about are not looked at.
func (c *call) warned(ctx context.Context) (found []sessioncleanup.Session, err error) {
	o := sessioncleanup.ListOptions{Limit: sessioncleanup.MaxPage}
	for {
		limited, cancel := context.WithTimeout(ctx, c.Timeout)
		page, err := c.m.List(limited, o)
		cancel()
		if err != nil {
			return nil, err
		}
		for _, s := range page.Sessions {
			if page.Cutoffs.Warn.IsZero() || !s.LastActivity.Before(page.Cutoffs.Warn) {
				return found, nil
			}
			if !s.Warning.For.IsZero() && page.Cutoffs.Covers(s, s.Warning.For) {
				found = append(found, s)
			}
			if len(found) == keepAtOnce {
				return found, nil
			}
		}
		if o.Cursor = page.Next; o.Cursor == "" {
			return found, nil
		}
	}
}

// keepPage sends the page.
func (c *call) keepPage(message string) error {
	ctx, cancel := context.WithTimeout(c.r.Context(), max(keepTimeout, c.Timeout))
	defer cancel()
	sessions, err := c.warned(ctx)
	if err != nil {
		return err
	}
	p := keepPage{Title: msgKeepTitle[c.lang], Message: message, Introduction: msgKeepNone[c.lang]}
	p.Always = msgKeepAlways[c.lang]
	forDays := func(d time.Duration) string { return fmt.Sprintf(msgKeepFor[c.lang], c.span(d, day, dayName)) }
	var longest time.Duration
	if len(sessions) > 0 {
		p.Introduction = fmt.Sprintf(msgKeepIntroduction[c.lang], c.keepTime(c.grant.Until))
	}
	for _, s := range sessions[:min(len(sessions), keepShown)] {
		p.Sessions = append(p.Sessions, keepSession{
			ID: s.ID, Name: sessionName(s), Used: fmt.Sprintf(msgKeepUsed[c.lang], c.keepTime(s.LastActivity)),
			Deleted: fmt.Sprintf(msgKeepDeleted[c.lang], c.keepTime(s.DeleteAt)), ForDays: forDays(c.keepFor(s)),
		})
	}
	for _, s := range sessions {
		longest = max(longest, c.keepFor(s))
	}
	p.ForDays = forDays(longest) // those with a rule for less are kept for that
	if more := len(sessions) - len(p.Sessions); more > 0 {
		p.Others = fmt.Sprintf(msgKeepOthers[c.lang], more)
	}
	if len(sessions) > 1 {
		p.All = fmt.Sprintf(msgKeepAll[c.lang], len(sessions))
	}
	return c.sendPage(http.StatusOK, p)
}

func (c *call) sendPage(status int, p keepPage) error {
	p.Language = langNames[c.lang][0]
	var body bytes.Buffer
	if err := keepTemplate.Execute(&body, p); err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.send(status, body.Bytes())
	return nil
}

// keepTime is a time for the reader.
func (c *call) keepTime(t time.Time) string { return t.In(c.grant.Zone).Format("2006-01-02 15:04 MST") }

func sessionName(s sessioncleanup.Session) string { return cmp.Or(s.Name, s.Code, s.ID) }
