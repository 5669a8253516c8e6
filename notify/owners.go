package notify

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/failures"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
	"github.com/sessioncleanup/sessioncleanup/keeplink"
)

const (
	ownersLease     = "notify owners"
	ownersLeaseTTL  = 2 * time.Minute // longer than a message and its calls of the store take
	mostNotices     = 1000            // in one message
	giveUpAfter     = 72 * time.Hour  // since the first attempt
	longestAgain    = 6 * time.Hour   // between two attempts
	failuresAlike   = 3               // in a row end a round: the channel is down
	runPatience     = 10 * time.Minute
	runPause        = 2 * time.Second
	linkGrace       = 7 * 24 * time.Hour // for which a link is valid after the last deletion that it can prevent: runs may be late
	longestReason   = 300                // characters of an error in the outbox
	defaultInterval = time.Hour
)

// Owners warns the owners of sessions before a deletion, as Policy.WarnBefore requires: it sends what runs put into the
// outbox of the store, one message to each owner with all of its sessions. Several instances may run. One of them sends
// at a time, and another one takes over when it dies. A message may then be repeated, with the same ID; none is lost.
//
//	owners := &notify.Owners{Manager: sessions, Store: db, Channel: mail, Recipient: func(ctx context.Context, owner string) (notify.Recipient, error) {
//		user, err := users.Find(ctx, owner)
//		return notify.Recipient{Address: user.Mail, Language: user.Language}, err
//	}}
//	go func() { log.Print(owners.Run(ctx)) }()
type Owners struct {
	// Manager provides the policy. Store, which must be the Manager's and an Outbox, provides the messages. Both are
	// required.
	Manager *sessioncleanup.Manager
	Store   sessioncleanup.Store
	// Channel is where messages go. Required. When it is an Addresser, each message goes to the owner's address.
	// Otherwise all messages go to the same place: a Slack channel, for example, or a webhook whose program finds the
	// owner in the data.
	Channel Notifier
	// Recipient finds an owner. It is called with "" for sessions without one. Default: RecipientsOf(Store), when the
	// schema has a column with addresses; otherwise the channel itself. An Addresser needs one of these.
	Recipient func(ctx context.Context, owner string) (Recipient, error)
	// Texts are the texts of the messages, by language. Language is the default language. Default: English and French,
	// and English.
	Texts    map[string]*Texts
	Language string
	// Service names what the messages are about. Default: the name of this machine.
	Service string
	// Page is the address of the page on which owners see and keep their sessions. Default: messages do not name one.
	Page string
	// Reminders are the times before a deletion at which its owner is reminded, the longest first, each shorter than
	// Policy.WarnBefore. No deletion waits for a reminder. The store must be a Reminder. Default: none.
	Reminders []time.Duration
	// Links adds to each message a link with which its owner keeps the sessions without logging in. Anybody who reads
	// the message can use it, for example everybody in a Slack channel. Default: no link.
	Links *keeplink.Links
	// Interval is the shortest time between two messages to one owner. The next message has everything that happened in
	// between. Default: 1 h.
	Interval time.Duration
	// Quiet is the time of day without messages. Default: none.
	Quiet Quiet
	// PerMinute limits the messages that one process sends in a minute. PerHour limits those that all processes
	// together deliver over the channel in any hour, so that a first run with a backlog of years does not send
	// everything at once. The other messages wait in the outbox, and their sessions are kept until the warning is
	// delivered. Default: 60 and 1,000.
	PerMinute, PerHour int
	// Every is how often Run checks the outbox. Default: 1 min.
	Every time.Duration
	// Logger receives what was sent, and what could not be sent. Default: none.
	Logger *slog.Logger
}

// Delivery is the result of Deliver.
type Delivery struct {
	Messages      int `json:"messages"`      // delivered
	Sessions      int `json:"sessions"`      // in them
	Again         int `json:"again"`         // messages that will be tried again
	Undeliverable int `json:"undeliverable"` // messages given up
	// Capped says that Owners.PerHour was reached, and more is to be sent.
	Capped bool `json:"capped"`
}

// Run sends until ctx ends, and returns ctx's error. Any other error means that it could not start.
//
// A message that is not delivered is tried again after a minute, then after twice as long each time, up to 6 hours, and
// never before the time that the receiver asks for. It is given up 3 days after its first attempt, or when Recipient
// returns ErrNoAddress; see Policy.Undeliverable. When the channel itself seems to be down, the other messages wait for
// the next round.
func (o *Owners) Run(ctx context.Context) error {
	s, err := o.sender(ctx)
	if err != nil {
		return fmt.Errorf("warn owners: %w", err)
	}
	defer s.release(ctx)
	var failed failures.Count
	for {
		_, err := s.round(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil || errors.Is(err, sessioncleanup.ErrLeaseHeld) {
			failed = 0
		} else if failed.Add() {
			s.o.Logger.WarnContext(ctx, "warnings to owners cannot be sent at the moment; trying again", "failures", failed, "error", err)
		}
		if err := wait.For(ctx, s.o.Every); err != nil {
			return err
		}
	}
}

// Deliver sends what is due now, for programs that are started again and again, for example by cron. When a run is in
// progress, it waits up to 10 minutes for the run to end, so that each owner gets one message about it. It fails with
// ErrLeaseHeld while another instance sends.
func (o *Owners) Deliver(ctx context.Context) (d Delivery, err error) {
	s, err := o.sender(ctx)
	if err == nil {
		defer s.release(ctx)
		d, err = s.round(ctx)
	}
	if err != nil {
		err = fmt.Errorf("warn owners: %w", err)
	}
	return d, err
}

// sender is one Run or Deliver in progress.
type sender struct {
	o      Owners // with defaults
	outbox sessioncleanup.Outbox
	remind sessioncleanup.Reminder // nil: nobody is reminded
	holder string
	lease  sessioncleanup.Lease
	next   time.Time // no message before
}

func (o *Owners) sender(ctx context.Context) (*sender, error) {
	s := &sender{o: *o, holder: rand.Text()}
	s.o.Interval = cmp.Or(o.Interval, defaultInterval)
	s.o.PerHour = cmp.Or(o.PerHour, perHour)
	s.o.PerMinute, s.o.Every, s.o.Language = cmp.Or(o.PerMinute, 60), cmp.Or(o.Every, time.Minute), cmp.Or(o.Language, "en")
	if s.o.Logger == nil {
		s.o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Manager == nil || o.Store == nil || o.Channel == nil {
		return nil, invalid.Errorf("Owners.Manager, Owners.Store or Owners.Channel is nil: want all three")
	}
	outbox, ok := sessioncleanup.StoreAs[sessioncleanup.Outbox](o.Store)
	if !ok {
		return nil, fmt.Errorf("the store keeps no warnings: %w", errors.ErrUnsupported)
	}
	s.outbox = outbox
	if err := s.findRecipients(ctx); err != nil {
		return nil, err
	}
	day := 24 * time.Hour
	switch {
	case s.o.Interval < 0 || s.o.PerMinute < 0 || s.o.PerHour < 0 || s.o.Every < time.Second:
		return nil, invalid.Errorf("Owners.Interval is %v, PerMinute %d, PerHour %d and Every %v: want positive ones, Every at least 1s", o.Interval, o.PerMinute, o.PerHour, o.Every)
	case o.Quiet.From < 0 || o.Quiet.From >= day || o.Quiet.Until < 0 || o.Quiet.Until >= day:
		return nil, invalid.Errorf("Owners.Quiet is from %v until %v: want times of the day, below 24h", o.Quiet.From, o.Quiet.Until)
	}
	if len(o.Reminders) > 0 {
		if s.remind, ok = sessioncleanup.StoreAs[sessioncleanup.Reminder](o.Store); !ok {
			return nil, fmt.Errorf("the store keeps no reminders: %w", errors.ErrUnsupported)
		}
		if err := sessioncleanup.CheckReminders(o.Manager.Policy().WarnBefore, o.Reminders); err != nil {
			return nil, err
		}
	}
	if s.o.Texts == nil {
		s.o.Texts = map[string]*Texts{}
		for _, language := range Languages() {
			texts, err := NewTexts(language)
			if err != nil {
				return nil, err
			}
			s.o.Texts[language] = texts
		}
	}
	if s.o.Texts[s.o.Language] == nil {
		return nil, invalid.Errorf("Owners.Texts has none in the language %q", s.o.Language)
	}
	return s, o.Manager.PermitAll()
}

// round sends what is due.
func (s *sender) round(ctx context.Context) (d Delivery, err error) {
	thresholds := s.o.Manager.Policy().Thresholds()
	if thresholds.Warn == 0 {
		return d, nil // nobody is warned any more
	}
	if err := s.awaitRun(ctx); err != nil {
		return d, err
	}
	if s.remind != nil {
		if err := s.hold(ctx); err != nil {
			return d, err
		}
		if _, err := call(ctx, func(ctx context.Context) (int, error) {
			return s.remind.Remind(ctx, sessioncleanup.Reminding{Lease: s.lease, Thresholds: thresholds, Before: s.o.Reminders})
		}); err != nil {
			return d, err
		}
	}
	var last hour
	for inARow := 0; inARow < failuresAlike; {
		if err := wait.For(ctx, time.Until(s.next)); err != nil {
			return d, err
		}
		if err := s.hold(ctx); err != nil {
			return d, err
		}
		m, err := call(ctx, func(ctx context.Context) (sessioncleanup.NoticeMessage, error) {
			return s.outbox.ClaimNotices(ctx, sessioncleanup.NoticeClaim{
				Lease: s.lease, Thresholds: thresholds, NewMessage: "warning-" + rand.Text(), Every: s.o.Interval, Limit: mostNotices,
			})
		})
		if err != nil || len(m.Notices) == 0 {
			return d, err
		}
		if d.Capped, err = last.full(ctx, s, m.At); err != nil || d.Capped {
			return d, err
		}
		outcome, sent := s.send(ctx, m)
		if sent {
			s.next = time.Now().Add(time.Minute / time.Duration(s.o.PerMinute))
		}
		if ctx.Err() != nil && !outcome.Delivered {
			return d, ctx.Err() // and the message is claimed again
		}
		if err := s.settle(ctx, m, outcome, &d); err != nil {
			return d, err
		}
		if outcome.Delivered {
			last.sent++
		}
		if inARow++; outcome.Delivered || !sent {
			inARow = 0
		}
	}
	return d, nil
}

// awaitRun waits for a run in progress, for a while.
func (s *sender) awaitRun(ctx context.Context) error {
	for started := time.Now(); time.Since(started) < runPatience; {
		running, err := s.o.Manager.Running(ctx)
		if err != nil || !running {
			return err
		}
		if err := wait.For(ctx, runPause); err != nil {
			return err
		}
	}
	return nil
}

// hold takes the lease, or renews it.
func (s *sender) hold(ctx context.Context) error {
	lease, err := call(ctx, func(ctx context.Context) (sessioncleanup.Lease, error) {
		return s.o.Store.Lease(ctx, sessioncleanup.LeaseRequest{Name: ownersLease, Holder: s.holder, TTL: ownersLeaseTTL})
	})
	s.lease = lease
	return err
}

// release lets another instance send at once.
func (s *sender) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = s.o.Store.Lease(ctx, sessioncleanup.LeaseRequest{Name: ownersLease, Holder: s.holder}) // it expires by itself
}

// send tries to deliver a message. sent says that the channel was asked to.
func (s *sender) send(ctx context.Context, m sessioncleanup.NoticeMessage) (out sessioncleanup.NoticeOutcome, sent bool) {
	out = sessioncleanup.NoticeOutcome{Lease: s.lease, Message: m.ID, Cause: sessioncleanup.Cause{Actor: "system", Reason: s.o.Channel.Name()}}
	channel, recipient, err := s.find(ctx, m.OwnerID)
	if err == nil {
		if quiet := s.o.Quiet.left(m.At.In(recipient.Zone)); quiet > 0 {
			out.Again = quiet
			return out, false
		}
		var message Message
		if message, err = s.message(m, recipient); err == nil {
			sent, out.Attempted = true, true
			err = channel.Notify(ctx, message)
		}
	}
	if err == nil {
		out.Delivered = true
		return out, sent
	}
	out.Attempted = true
	out.Error = cut(err.Error(), longestReason, unescaped)
	attempts, first := m.Notices[0].Attempts, m.Notices[0].FirstAt
	out.Again = min(longestAgain, time.Minute<<min(attempts, 12))
	if failed, ok := errors.AsType[*Error](err); ok {
		out.Again = max(out.Again, failed.RetryAfter)
		if failed.Gone {
			out.Again = longestAgain
		}
	}
	out.Again += mathrand.N(out.Again/10 + 1) // receivers are not asked by everybody at the same moment
	if errors.Is(err, ErrNoAddress) || !first.IsZero() && m.At.Sub(first) >= giveUpAfter {
		out.GivenUp, out.Again, out.Cause.Reason = true, 0, out.Error
	}
	return out, sent
}

// settle records the outcome of a message. A delivery is recorded even if ctx ended.
func (s *sender) settle(ctx context.Context, m sessioncleanup.NoticeMessage, out sessioncleanup.NoticeOutcome, d *Delivery) error {
	lasting, cancel := wait.Outlive(ctx, saveGrace)
	defer cancel()
	_, err := call(lasting, func(ctx context.Context) (struct{}, error) { return struct{}{}, s.outbox.SettleNotices(ctx, out) })
	if err != nil {
		return err
	}
	log := s.o.Logger.With("channel", s.o.Channel.Name(), "owner", m.OwnerID, "message_id", m.ID, "sessions", len(m.Notices))
	switch {
	case out.Delivered:
		d.Messages++
		d.Sessions += len(m.Notices)
		log.InfoContext(ctx, "warning to an owner sent")
	case out.GivenUp:
		d.Undeliverable++
		log.WarnContext(ctx, "warning to an owner cannot be delivered; given up", "error", out.Error)
	default:
		d.Again++
		log.InfoContext(ctx, "warning to an owner could not be sent; it will be tried again", "in", out.Again, "error", out.Error)
	}
	return nil
}

// call limits a call of the store, or of the application.
func call[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return do(ctx)
}
