package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// ErrNoAddress is returned by Owners.Recipient for an owner that cannot be reached. The owner's warnings become
// undeliverable at once. After any other error, the message is tried again.
var ErrNoAddress = errors.New("the owner has no address")

// Recipient says how to reach an owner.
type Recipient struct {
	// Address is the owner's mail address, for a channel that is an Addresser.
	Address string
	// Language is one of Owners.Texts. Default: that of Owners.Language.
	Language string
	// Zone is the time zone for times in the message, and for Owners.Quiet. Default: UTC.
	Zone *time.Location
	// Unsubscribe is an https URL for mail, at which a POST stops this owner's messages at once and without a login
	// (RFC 8058). Recipient must then return ErrNoAddress for the owner; Policy.Undeliverable says what happens to the
	// sessions. Default: a mail names the keep link or Owners.Page, where people stop warnings by keeping their
	// sessions.
	Unsubscribe string
}

// RecipientsOf returns an Owners.Recipient that finds owners in the table that a store's Schema.Owners names. It
// ignores a language without texts and an unknown time zone.
func RecipientsOf(finder sessioncleanup.OwnerFinder) func(ctx context.Context, owner string) (Recipient, error) {
	return func(ctx context.Context, owner string) (Recipient, error) {
		found, err := finder.FindOwner(ctx, owner)
		if errors.Is(err, sessioncleanup.ErrNotFound) {
			return Recipient{}, fmt.Errorf("%w: %w", ErrNoAddress, err)
		}
		if err != nil {
			return Recipient{}, err
		}
		language, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(found.Language)), "_", "-"), "-")
		r := Recipient{Address: strings.TrimSpace(found.Mail), Language: language}
		if zone := strings.TrimSpace(found.Zone); zone != "" && zone != "Local" {
			r.Zone, _ = time.LoadLocation(zone)
		}
		return r, nil
	}
}

// optional is a Recipient for a channel that reaches owners without an address, too.
func optional(of func(ctx context.Context, owner string) (Recipient, error)) func(ctx context.Context, owner string) (Recipient, error) {
	return func(ctx context.Context, owner string) (Recipient, error) {
		r, err := of(ctx, owner)
		if errors.Is(err, ErrNoAddress) {
			return Recipient{}, nil
		}
		return r, err
	}
}

// findRecipients fills in the default of Owners.Recipient.
func (s *sender) findRecipients(ctx context.Context) error {
	_, needsAddress := s.o.Channel.(Addresser)
	if finder, ok := sessioncleanup.StoreAs[sessioncleanup.OwnerFinder](s.o.Store); ok && s.o.Recipient == nil {
		_, err := call(ctx, func(ctx context.Context) (sessioncleanup.Owner, error) { return finder.FindOwner(ctx, "") })
		switch {
		case err == nil || errors.Is(err, sessioncleanup.ErrNotFound):
			s.o.Recipient = RecipientsOf(finder)
			if !needsAddress {
				s.o.Recipient = optional(s.o.Recipient)
			}
		case !errors.Is(err, errors.ErrUnsupported):
			return err
		}
	}
	if needsAddress && s.o.Recipient == nil {
		return invalid.Errorf("nothing says where to send messages over %s: want a column with addresses in Schema.Owners, or Owners.Recipient", s.o.Channel.Name())
	}
	return nil
}

// Addresser is a channel that can send to other receivers, such as Mail.
type Addresser interface {
	Notifier
	// To returns the same channel to another address. A wrong address is an ErrInvalid.
	To(address string) (Notifier, error)
}

// Quiet is the time of day in which owners get no message: from From to Until, both since midnight in the owner's time
// zone. From may be later than Until, such as 22 h and 8 h. Both zero means that there is none.
type Quiet struct{ From, Until time.Duration }

// left is how long the quiet hours last from now on; zero outside of them.
func (q Quiet) left(now time.Time) time.Duration {
	if q.From == q.Until {
		return 0
	}
	since := time.Duration(now.Hour())*time.Hour + time.Duration(now.Minute())*time.Minute + time.Duration(now.Second())*time.Second
	day := 24 * time.Hour
	length, into := (q.Until-q.From+day)%day, (since-q.From+day)%day
	return max(0, length-into)
}

// find is the channel to an owner.
func (s *sender) find(ctx context.Context, owner string) (Notifier, Recipient, error) {
	recipient := Recipient{}
	if s.o.Recipient != nil {
		var err error
		if recipient, err = call(ctx, func(ctx context.Context) (Recipient, error) { return s.o.Recipient(ctx, owner) }); err != nil {
			return nil, recipient, err
		}
	}
	if recipient.Zone == nil {
		recipient.Zone = time.UTC
	}
	addresser, ok := s.o.Channel.(Addresser)
	if !ok {
		return s.o.Channel, recipient, nil
	}
	if recipient.Address == "" {
		return nil, recipient, ErrNoAddress
	}
	channel, err := addresser.To(recipient.Address)
	if err != nil {
		return nil, recipient, fmt.Errorf("%w: %w", ErrNoAddress, err)
	}
	return channel, recipient, nil
}
