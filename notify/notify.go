// Package notify sends messages to people: by mail, to Slack, to Discord, and to webhooks.
//
// A Notifier is one channel. Open makes one of a URL, NewMail, NewSlack, NewDiscord and NewWebhook make them in Go, and any
// other type with the two methods is one, too:
//
//	channel, err := notify.Open("smtp://bot:secret@mail.example.com?from=bot@example.com&to=ops@example.com")
//	if err != nil {
//		return err
//	}
//	err = channel.Notify(ctx, notify.Message{ID: "backup-2026-11-29", Subject: "The backup failed", Text: "The disk is full."})
//
// A channel tries once. Its error says whether to try again, and when; see Error. Operators is what does so, for the
// alerts of a sessioncleanup.Manager.
package notify

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Notifier is a channel to people. It is safe for concurrent use.
type Notifier interface {
	// Name identifies the channel in logs and in the audit log: "mail:ops@example.com". It stays the same when a
	// password changes, contains no secret and no space, and has at most 60 bytes.
	Name() string
	// Notify tries once to deliver a message. An error is an *Error, unless ctx ended.
	Notify(ctx context.Context, m Message) error
}

// Message is what a Notifier delivers. Each channel uses the parts that it can show.
type Message struct {
	// ID is the same whenever the same message is sent again, so that a receiver can recognize it: the webhook-id of a webhook,
	// the Message-ID of a mail. Letters, digits, "-" and "_".
	ID      string
	Type    string    // for programs: what kind of message it is, "alert.began" for example
	At      time.Time // when what it says happened
	Subject string    // one line
	Text    string    // plain text; no channel interprets anything in it
	HTML    string    // the same for mail, in addition to Text; may be empty
	// Unsubscribe is a page on which the receiver can stop messages of this type, or a mailto address, for the
	// List-Unsubscribe header of a mail. Empty: no such header.
	Unsubscribe string
	// OneClick says that a POST to Unsubscribe, an https URL, does so at once (RFC 8058): mail programs then show a button for it.
	OneClick bool
	// Data is for programs, as JSON in a webhook. It may be nil.
	Data any
}

// Error says that a message was not delivered.
type Error struct {
	Channel string // Notifier.Name
	// Permanent says that the same message will fail again until somebody changes something. Otherwise trying later may help.
	Permanent bool
	// Gone says that the receiver wants no more messages from this channel (HTTP status 410). It is permanent.
	Gone bool
	// RetryAfter is the shortest time to wait, when the receiver asked for one; at most a day.
	RetryAfter time.Duration
	Err        error // the cause; contains no secret
}

// Error names the channel and the cause.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Channel, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent reports whether it is useless to try the message again; see Error.
func Permanent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Permanent
}
