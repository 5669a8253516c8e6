package sessioncleanup

import (
	"context"
	"time"
)

// Warning is the state of the last warning to a session's owner; see Policy.WarnBefore. The zero value means that there
// is none.
type Warning struct {
	// For is Session.KeptSince when it was written: it counts for that idle period only.
	For time.Time `json:"for,omitzero"`
	// QueuedAt is when a run put it into the outbox.
	QueuedAt time.Time `json:"queued_at,omitzero"`
	// DeliveredAt is when it was delivered, and UndeliverableAt when the sender gave up. At most one of them is set.
	DeliveredAt     time.Time `json:"delivered_at,omitzero"`
	UndeliverableAt time.Time `json:"undeliverable_at,omitzero"`
}

// Outbox is implemented by stores that keep warnings to the owners of sessions, at most one for each session. A run
// writes them. A sender claims them message by message, and settles each message. The sender has a lease, so only one
// sends at a time. A message that was claimed and not settled is claimed again, with the same ID, by the next sender.
type Outbox interface {
	// Warn does one batch of a run: it writes a warning for at most b.Limit sessions that match b.Filter and for which
	// b.Cutoffs.Due(ActionNoticed) holds, in one transaction with its event. A new warning replaces the session's
	// warning of an earlier idle period. The sessions themselves are neither changed nor locked. The first batch
	// forgets old warnings; see Cutoffs.ForgetWarnings.
	Warn(ctx context.Context, b Batch) (BatchResult, error)
	// ClaimNotices returns the message to send next, or one without notices when there is none. See NoticeClaim.
	ClaimNotices(ctx context.Context, c NoticeClaim) (NoticeMessage, error)
	// SettleNotices records the outcome of a message and, when the outcome is final, its event, in one transaction.
	// Notices stay as they are when they are already delivered or given up, or are no longer in that message.
	SettleNotices(ctx context.Context, o NoticeOutcome) error
	// Notices returns notices: first those that are delivered or given up, the longest ago first, and then the others
	// in the order in which they are to be sent.
	Notices(ctx context.Context, q NoticeQuery) ([]Notice, error)
	// ResendNotices makes notices that were given up due again at once, in new messages, and returns their number. Nil
	// means those of all sessions.
	ResendNotices(ctx context.Context, sessionIDs []string) (int, error)
	// OutboxSize counts what is in the outbox.
	OutboxSize(ctx context.Context) (OutboxSize, error)
}

// Notice is a warning to the owner of a session, or a later message about the same session.
type Notice struct {
	SessionID string `json:"session_id"`
	OwnerID   string `json:"owner_id,omitempty"`
	Name      string `json:"name,omitempty"` // of the session, as the audit log keeps names
	Warning
	// Message is the ID of the message that the notice is in; empty as long as it is in none.
	Message  string    `json:"message_id,omitempty"`
	Attempts int       `json:"attempts"`
	FirstAt  time.Time `json:"first_attempt_at,omitzero"`
	NextAt   time.Time `json:"next_attempt_at,omitzero"` // no earlier; zero when it is delivered or given up
	Error    string    `json:"error,omitempty"`          // of the last attempt

	// Stage is how many of Reminding.Before were reached: 0 for the warning itself. DeletedAt is when a run deleted the
	// session. See Reminder. Either makes a delivered notice due again; ToldAt is when its last message was delivered.
	Stage     int       `json:"stage,omitempty"`
	DeletedAt time.Time `json:"deleted_at,omitzero"`
	ToldAt    time.Time `json:"told_at,omitzero"`
	// Tags are those of the session, for whoever claims the notice; of a deleted session those that it had. See Policy.Rules.
	Tags []string `json:"tags,omitempty"`
}

// Ref returns what an Event keeps of the notice's session.
func (n Notice) Ref() SessionRef {
	return SessionRef{ID: n.SessionID, OwnerID: n.OwnerID, Name: n.Name}
}

// Reminder is implemented by an Outbox that also keeps the messages after the warning: reminders, and the message that
// a session was deleted. They are claimed, settled and tried again like warnings, but no deletion waits for them.
//
// When a run whose cutoffs for the session have Warned deletes a session whose owner was warned, such a store sets
// DeletedAt of the notice in the same transaction and makes it due, in a message apart from warnings. It drops the
// notice when the session exists again.
type Reminder interface {
	// Remind makes delivered notices due when Reminding.StageOf has risen, and returns their number.
	Remind(ctx context.Context, r Reminding) (int, error)
}

// Reminding says when owners are reminded.
type Reminding struct {
	Lease      Lease // of the sender; ErrLeaseLost unless it still is its holder's
	Thresholds Thresholds
	// Before are the times before a deletion at which its owner is reminded, the longest first.
	Before []time.Duration
}

// StageOf returns how many of Before are reached, at now, the store's clock, for a notice with its Tags. Remind raises
// a notice with a lower stage to it and makes it due, if the notice was delivered, has nothing left to send, and is not
// about a deletion. When several reminders were missed, only the last one is sent.
func (r Reminding) StageOf(n Notice, now time.Time) (stage int) {
	t := r.Thresholds.For(n.Tags)
	if n.DeliveredAt.IsZero() || t.Delete == 0 {
		return 0
	}
	at := later(n.For.Add(t.Delete), n.DeliveredAt.Add(t.Warn))
	for _, before := range r.Before {
		if !at.Add(-before).After(now) {
			stage++
		}
	}
	return stage
}

// Next returns a delivered notice made due again at now, in a new message.
func (n Notice) Next(now time.Time) Notice {
	n.NextAt, n.FirstAt, n.Message, n.Attempts, n.Error = now.UTC().Truncate(time.Millisecond), time.Time{}, "", 0, ""
	return n
}

// NoticeClaim asks for the message to send next. It is the message with the notice that has been due the longest, to an
// owner who got no message within Every. A message that was claimed before and is sent again keeps its ID and has no
// notices besides those of then. A new message gets the ID NewMessage and, up to Limit, all notices of the owner that
// are in no message yet, the longest unused sessions first. A notice is due from NextAt on. Notices with DeletedAt are
// never in a message with others.
//
// Claiming removes a notice when its session is gone, or was used, changed or protected since, so that Cutoffs.Covers
// no longer applies. It removes a notice with DeletedAt when the session exists again.
type NoticeClaim struct {
	Lease      Lease // of the sender; ErrLeaseLost unless it still is its holder's
	Thresholds Thresholds
	NewMessage string
	Every      time.Duration // zero: no limit
	Limit      int           // above 0
}

// NoticeMessage is a message to one owner.
type NoticeMessage struct {
	ID      string
	OwnerID string
	Notices []Notice // the longest unused sessions first
	// At is the store's clock, and Cutoffs are NoticeClaim.Thresholds at it.
	At      time.Time
	Cutoffs Cutoffs
}

// NoticeOutcome is the result of sending a message that was claimed.
type NoticeOutcome struct {
	Lease   Lease // of the sender; ErrLeaseLost unless it still is its holder's
	Message string
	// Delivered says that it was delivered, and GivenUp that it never will be. Otherwise it is due again after Again.
	Delivered bool
	GivenUp   bool
	Again     time.Duration
	// Attempted says that it was tried to be sent.
	Attempted bool
	Error     string // why it was not delivered
	Cause     Cause  // of the event
}

// Action returns the action of the event, or "" when there is no event.
func (o NoticeOutcome) Action() Action {
	switch {
	case o.Delivered:
		return ActionWarned
	case o.GivenUp:
		return ActionUndeliverable
	default:
		return ""
	}
}

// Apply returns a notice of the message after the outcome, at now, the store's clock.
func (o NoticeOutcome) Apply(n Notice, now time.Time) Notice {
	now = now.UTC().Truncate(time.Millisecond)
	n.Error, n.NextAt = o.Error, time.Time{}
	if o.Attempted {
		n.Attempts++
		if n.FirstAt.IsZero() {
			n.FirstAt = now
		}
	}
	switch {
	case o.Delivered:
		n.ToldAt = now
		if n.DeliveredAt.IsZero() {
			n.DeliveredAt = now
		}
	case o.GivenUp && !n.DeliveredAt.IsZero(): // the warning was delivered, this was a later message
	case o.GivenUp:
		n.UndeliverableAt = now
	default:
		n.NextAt = now.Add(o.Again).Truncate(time.Millisecond)
	}
	return n
}

// Resent returns a notice that was given up, made due again at now, the store's clock.
func (n Notice) Resent(now time.Time) Notice {
	n.UndeliverableAt = time.Time{}
	return n.Next(now)
}

// NoticeQuery selects notices.
type NoticeQuery struct {
	SessionID string // only that of this session
	OwnerID   string // only this owner's
	Failed    bool   // only those that were given up
	Pending   bool   // only those that are still to be sent
	Tags      string // only those that Filter.Tags selects by the tags of the session or, when a run deleted it, those that it had
	Limit     int    // at most this many; above 0
}

// Selects reports whether the query selects the notice. The notice must have its Tags.
func (q NoticeQuery) Selects(n Notice) bool {
	return (q.SessionID == "" || q.SessionID == n.SessionID) && (q.OwnerID == "" || q.OwnerID == n.OwnerID) &&
		(!q.Failed || !n.UndeliverableAt.IsZero()) && (!q.Pending || !n.NextAt.IsZero()) && matchesTags(n.Tags, q.Tags)
}

// OutboxSize counts what is in an outbox.
type OutboxSize struct {
	Pending       int       `json:"pending"`            // still to be sent
	Undeliverable int       `json:"undeliverable"`      // given up
	OldestAt      time.Time `json:"oldest_at,omitzero"` // QueuedAt of the oldest warning that is still to be sent
}
