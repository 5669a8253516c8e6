package notify

import "time"

// shownSessions are the sessions that a message names; it counts the others.
const shownSessions = 20

// OwnerWarning is what an owner is told before sessions are deleted. It is the data of the templates "owner.subject"
// and "owner.text".
type OwnerWarning struct {
	Service  string // the name of this machine, when it is empty
	OwnerID  string
	At       time.Time
	Zone     *time.Location  // of the times in the text
	Sessions []WarnedSession // the longest unused first; a message has at most the first 20 of them
	Total    int             // sessions, with those that are left out
	Page     string          // on which the owner can keep them; may be empty
	KeepLink string          // keeps them without a login; see package keeplink. May be empty
}

// WarnedSession is a session that will be deleted.
type WarnedSession struct {
	ID          string    `json:"id"`
	Name        string    `json:"name,omitempty"`
	UnusedSince time.Time `json:"unused_since"`
	DeleteAt    time.Time `json:"delete_at"`      // at the earliest
	Rule        string    `json:"rule,omitempty"` // the tag whose rule says so; empty where it is the policy
}

// Others returns the number of sessions that the message does not name.
func (w OwnerWarning) Others() int { return w.Total - len(w.Sessions) }

// First returns the earliest moment at which one of the sessions is deleted.
func (w OwnerWarning) First() time.Time {
	var first time.Time
	for _, s := range w.Sessions {
		if first.IsZero() || s.DeleteAt.Before(first) {
			first = s.DeleteAt
		}
	}
	return first
}

// Last returns the latest moment at which one of the sessions becomes due for deletion.
func (w OwnerWarning) Last() time.Time {
	var last time.Time
	for _, s := range w.Sessions {
		if last.Before(s.DeleteAt) {
			last = s.DeleteAt
		}
	}
	return last
}

// Time formats a time in the owner's time zone.
func (w OwnerWarning) Time(t time.Time) string { return t.In(w.Zone).Format("2006-01-02 15:04 MST") }

// ownerDetails is the Data of the message.
type ownerDetails struct {
	Service  string          `json:"service"`
	OwnerID  string          `json:"owner_id"`
	Sessions []WarnedSession `json:"sessions"`
	Total    int             `json:"total"`
	KeepLink string          `json:"keep_link,omitempty"`
}

// OwnerMessage returns the message of a warning, without an ID. Its data has all sessions, its text the first 20.
func (t *Texts) OwnerMessage(w OwnerWarning) (Message, error) {
	w.Service = serviceName(w.Service)
	if w.Zone == nil {
		w.Zone = time.UTC
	}
	details := ownerDetails{w.Service, w.OwnerID, w.Sessions, w.Total, w.KeepLink}
	w.Sessions = w.Sessions[:min(len(w.Sessions), shownSessions)]
	m, err := t.message(Notice{Service: w.Service, At: w.At}, "owner.subject", "owner.text", w)
	m.Type, m.Data = "sessions.deletion_ahead", details
	return m, err
}

// OwnerDeletion is what an owner is told after runs deleted sessions. It is the data of the templates "deleted.subject"
// and "deleted.text". Sessions and KeepLink are not used.
type OwnerDeletion struct {
	OwnerWarning
	Deleted  []DeletedSession // a message has at most the first 20 of them
	Archived bool             // they can be restored
}

// DeletedSession is a session that a run deleted.
type DeletedSession struct {
	ID           string    `json:"id"`
	Name         string    `json:"name,omitempty"`
	UnusedSince  time.Time `json:"unused_since"`
	DeletedAt    time.Time `json:"deleted_at"`
	RestoreUntil time.Time `json:"restore_until,omitzero"` // zero: there is nothing to restore, or no end
}

// Others returns the number of sessions that the message does not name.
func (d OwnerDeletion) Others() int { return d.Total - len(d.Deleted) }

// deletionDetails is the Data of the message.
type deletionDetails struct {
	Service    string           `json:"service"`
	OwnerID    string           `json:"owner_id"`
	Sessions   []DeletedSession `json:"sessions"`
	Total      int              `json:"total"`
	Restorable bool             `json:"restorable"`
}

// DeletionMessage returns the message about sessions that runs deleted, without an ID. Its data has all sessions, its
// text the first 20.
func (t *Texts) DeletionMessage(d OwnerDeletion) (Message, error) {
	d.Service = serviceName(d.Service)
	if d.Zone == nil {
		d.Zone = time.UTC
	}
	details := deletionDetails{d.Service, d.OwnerID, d.Deleted, d.Total, d.Archived}
	d.Deleted = d.Deleted[:min(len(d.Deleted), shownSessions)]
	m, err := t.message(Notice{Service: d.Service, At: d.At}, "deleted.subject", "deleted.text", d)
	m.Type, m.Data = "sessions.deleted", details
	return m, err
}

// DeletionSample returns a deletion to try templates with.
func DeletionSample() OwnerDeletion {
	w := OwnerSample()
	d := OwnerDeletion{OwnerWarning: w, Archived: true}
	for _, s := range w.Sessions {
		d.Deleted = append(d.Deleted, DeletedSession{ID: s.ID, Name: s.Name, UnusedSince: s.UnusedSince, DeletedAt: w.At, RestoreUntil: w.At.AddDate(0, 0, 30)})
	}
	return d
}

// OwnerSample returns a warning to try templates with.
func OwnerSample() OwnerWarning {
	at := time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC)
	w := OwnerWarning{OwnerID: "42", At: at, Total: 23, Page: "https://app.example.com/sessions", KeepLink: "https://app.example.com/api/session-cleanup/keep?token=eyJvIjoiTkRJPSJ9.c2lnbmF0dXJl"}
	for i, name := range []string{"Friday night requests", "", "Test"} {
		since := at.AddDate(0, 0, -23).Add(time.Duration(i) * 31 * time.Minute)
		w.Sessions = append(w.Sessions, WarnedSession{ID: string(rune('1' + i)), Name: name, UnusedSince: since, DeleteAt: since.AddDate(0, 0, 30)})
	}
	return w
}
