package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/keeplink"
	"github.com/sessioncleanup/sessioncleanup/memory"
)

const ownersDay = 24 * time.Hour

// mailbox is a channel that keeps what it gets, and fails as it is told.
type mailbox struct {
	mu   sync.Mutex
	got  []Message
	fail func(Message) error
}

func (*mailbox) Name() string { return "mailbox" }

func (b *mailbox) Notify(_ context.Context, m Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		if err := b.fail(m); err != nil {
			return err
		}
	}
	b.got = append(b.got, m)
	return nil
}

// sessionsOf are the ids of the sessions that a message is about.
func sessionsOf(m Message) (ids []string) {
	for _, s := range m.Data.(ownerDetails).Sessions {
		ids = append(ids, s.ID)
	}
	return ids
}

// due is a store with sessions that are due for deletion, of some owners, whose warnings a run wrote.
func due(t *testing.T, sessions, owners int) (*memory.Store, *sessioncleanup.Manager) {
	t.Helper()
	store := memory.New(memory.Config{})
	used := time.Now().Add(-40 * ownersDay)
	for i := range sessions {
		s := sessioncleanup.Session{ID: fmt.Sprint(i), Name: fmt.Sprint("room ", i), OwnerID: fmt.Sprint("owner", i%owners), AutoCleanup: true, LastActivity: used, DeactivatedAt: used}
		if err := store.Put(s); err != nil {
			t.Fatal(err)
		}
	}
	m, err := sessioncleanup.New(store, sessioncleanup.Config{Policy: sessioncleanup.Policy{WarnBefore: 7 * ownersDay, InactiveAfter: sessioncleanup.Never}})
	if err != nil {
		t.Fatal(err)
	}
	if result, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || result.Noticed() != sessions {
		t.Fatalf("the run warned of %d sessions, %v; want %d", result.Noticed(), err, sessions)
	}
	return store, m
}

func deliverAll(t *testing.T, o *Owners) Delivery {
	t.Helper()
	d, err := o.Deliver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEachOwnerGetsOneMessageAboutAllSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, m := due(t, 10_000, 50)
		links, err := keeplink.New("https://app.example.com/api", strings.Repeat("k", 32))
		if err != nil {
			t.Fatal(err)
		}
		box := &mailbox{}
		o := &Owners{Manager: m, Store: store, Channel: box, Service: "polls", PerMinute: 600, Page: "https://app.example.com/rooms", Links: links}
		if d := deliverAll(t, o); d.Messages != 50 || d.Sessions != 10_000 || len(box.got) != 50 {
			t.Errorf("delivered %+v in %d messages, want 10,000 sessions in 50", d, len(box.got))
		}
		first := box.got[0]
		if len(sessionsOf(first)) != 200 || strings.Count(first.Text, "last used") != 20 || !strings.Contains(first.Text, "and 180 others") || !strings.Contains(first.Text, o.Page) {
			t.Errorf("the message has %d sessions in its data and says:\n%s", len(sessionsOf(first)), first.Text)
		}
		link := first.Data.(ownerDetails).KeepLink
		grant, err := links.Read(link[strings.Index(link, "=")+1:], first.At.Add(13*ownersDay))
		if err != nil || grant.Owner != first.Data.(ownerDetails).OwnerID || !strings.Contains(first.Text, "\n"+link+"\n") || !strings.Contains(first.HTML, `<a href="`+link+`">`) {
			t.Errorf("the message's link %q allows %+v, %v; it says\n%s\n%s", link, grant, err, first.Text, first.HTML)
		}
		if at := first.Data.(ownerDetails).Sessions[0].DeleteAt; at.Before(first.At.Add(7*ownersDay)) || !strings.Contains(first.Subject, at.Format("2006-01-02 15:04 UTC")) {
			t.Errorf("the message of %v names the deletion at %v, in %q", first.At, at, first.Subject)
		}
		if d := deliverAll(t, o); d != (Delivery{}) {
			t.Errorf("another call delivered %+v", d)
		}
		time.Sleep(7 * ownersDay)
		if result, err := m.Cleanup(t.Context(), sessioncleanup.Run{Force: true}); err != nil || result.Deleted() != 10_000 {
			t.Errorf("the run a week later deleted %d sessions, %v", result.Deleted(), err)
		}
	})
}

func TestAMessageIsTriedAgainForThreeDaysAndThenGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, m := due(t, 3, 1)
		ids, last, longest := map[string]bool{}, time.Now(), time.Duration(0)
		box := &mailbox{fail: func(m Message) error {
			ids[m.ID], longest, last = true, max(longest, time.Since(last)), time.Now()
			return &Error{Channel: "mailbox", RetryAfter: 10 * time.Minute, Err: errors.New("busy")}
		}}
		o := &Owners{Manager: m, Store: store, Channel: box}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- o.Run(ctx) }()
		time.Sleep(giveUpAfter - time.Hour)
		synctest.Wait()
		n, err := m.Notices(t.Context(), sessioncleanup.NoticeQuery{Failed: true})
		if err != nil || len(n) > 0 {
			t.Fatalf("given up within three days: %+v, %v", n, err)
		}
		time.Sleep(2 * longestAgain)
		synctest.Wait()
		n, err = m.Notices(t.Context(), sessioncleanup.NoticeQuery{Failed: true})
		if err != nil || len(n) != 3 || n[0].Attempts < 10 || n[0].Attempts > 30 || !strings.Contains(n[0].Error, "busy") || len(ids) != 1 || longest > longestAgain*6/5 {
			t.Errorf("after three days given up are %+v, %v, in %d messages, the longest pause %v", n, err, len(ids), longest)
		}
		s, err := m.Stats(t.Context(), "")
		if err != nil || s.Outbox.Undeliverable != 3 || s.Alerts[len(s.Alerts)-1].Code != sessioncleanup.AlertUndeliverable {
			t.Errorf("the figures are %+v, %+v, %v; want the alert undeliverable", s.Outbox, s.Alerts, err)
		}
		box.fail = nil
		if n, err := m.ResendNotices(t.Context(), nil); err != nil || n != 3 {
			t.Errorf("ResendNotices = %d, %v", n, err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(box.got) != 1 || len(sessionsOf(box.got[0])) != 3 || ids[box.got[0].ID] {
			t.Errorf("after that %d messages were delivered, want a new one about all three", len(box.got))
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestAChannelThatIsDownIsNotAskedForEachOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, m := due(t, 20, 20)
		asked := 0
		box := &mailbox{fail: func(Message) error { asked++; return &Error{Channel: "mailbox", Err: errors.New("down")} }}
		if d := deliverAll(t, &Owners{Manager: m, Store: store, Channel: box}); d.Again != failuresAlike || asked != failuresAlike {
			t.Errorf("the channel was asked %d times, %+v", asked, d)
		}
	})
}

func TestAnOwnerWithoutAnAddressIsUndeliverableAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, m := due(t, 4, 4)
		box := &mailbox{}
		o := &Owners{Manager: m, Store: store, Channel: box, Recipient: func(_ context.Context, owner string) (Recipient, error) {
			switch owner {
			case "owner0":
				return Recipient{}, fmt.Errorf("no user: %w", ErrNoAddress)
			case "owner1":
				return Recipient{}, errors.New("the user table is locked")
			default:
				return Recipient{Language: "fr", Zone: time.FixedZone("CET", 3600)}, nil
			}
		}}
		if d := deliverAll(t, o); d.Messages != 2 || d.Again != 1 || d.Undeliverable != 1 {
			t.Errorf("delivered %+v, want 2 messages, one to try again, one given up", d)
		}
		if !strings.Contains(box.got[0].Text, "seront supprimées") && !strings.Contains(box.got[0].Text, "sera supprimée") || !strings.Contains(box.got[0].Text, "CET") {
			t.Errorf("the message is not in the owner's language and time zone:\n%s", box.got[0].Text)
		}
		time.Sleep(8 * ownersDay)
		if result, err := m.Cleanup(t.Context(), sessioncleanup.Run{}); err != nil || result.Deleted() != 2 || result.Waiting != 2 {
			t.Errorf("the run deleted %d and left %d waiting, %v; want 2 and 2", result.Deleted(), result.Waiting, err)
		}
	})
}

func TestNoMessageComesInQuietHours(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		q    Quiet
		hour int
		left time.Duration
	}{
		{Quiet{}, 3, 0},
		{Quiet{22 * time.Hour, 8 * time.Hour}, 3, 5 * time.Hour},
		{Quiet{22 * time.Hour, 8 * time.Hour}, 22, 10 * time.Hour},
		{Quiet{22 * time.Hour, 8 * time.Hour}, 8, 0},
		{Quiet{22 * time.Hour, 8 * time.Hour}, 12, 0},
		{Quiet{9 * time.Hour, 17 * time.Hour}, 10, 7 * time.Hour},
		{Quiet{9 * time.Hour, 17 * time.Hour}, 18, 0},
	} {
		if left := c.q.left(time.Date(2026, 11, 29, c.hour, 0, 0, 0, time.UTC)); left != c.left {
			t.Errorf("at %d h, %+v last for %v more, want %v", c.hour, c.q, left, c.left)
		}
	}
	synctest.Test(t, func(t *testing.T) { // which begins at midnight
		store, m := due(t, 1, 1)
		box := &mailbox{}
		o := &Owners{Manager: m, Store: store, Channel: box, Quiet: Quiet{22 * time.Hour, 8 * time.Hour}}
		if d := deliverAll(t, o); d.Again != 1 || len(box.got) > 0 {
			t.Errorf("at midnight %+v", d)
		}
		time.Sleep(8 * time.Hour)
		if d := deliverAll(t, o); d.Messages != 1 {
			t.Errorf("at 8 h %+v", d)
		}
		if n, err := m.Notices(t.Context(), sessioncleanup.NoticeQuery{}); err != nil || n[0].Attempts != 1 {
			t.Errorf("the notice is %+v, %v; want one attempt", n, err)
		}
	})
}

func TestARunInProgressIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, m := due(t, 1, 1)
		lease := sessioncleanup.LeaseRequest{Name: "cleanup", Holder: "a run", TTL: 90 * time.Second}
		if _, err := store.Lease(t.Context(), lease); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if d := deliverAll(t, &Owners{Manager: m, Store: store, Channel: &mailbox{}}); d.Messages != 1 || time.Since(began) < 90*time.Second {
			t.Errorf("delivered %+v after %v, want one after the run", d, time.Since(began))
		}
	})
}

var errKilled = errors.New("killed")

// mortal is a store, and a channel, of a process that is killed after some steps: from then on nothing it does has an effect.
type mortal struct {
	sessioncleanup.Store
	sessioncleanup.Outbox
	*mailbox
	steps int
}

func (s *mortal) alive() error {
	if s.steps--; s.steps < 0 {
		return errKilled
	}
	return nil
}

func (s *mortal) Lease(ctx context.Context, r sessioncleanup.LeaseRequest) (sessioncleanup.Lease, error) {
	if err := s.alive(); err != nil {
		return sessioncleanup.Lease{}, err
	}
	return s.Store.Lease(ctx, r)
}

func (s *mortal) ClaimNotices(ctx context.Context, c sessioncleanup.NoticeClaim) (sessioncleanup.NoticeMessage, error) {
	if err := s.alive(); err != nil {
		return sessioncleanup.NoticeMessage{}, err
	}
	return s.Outbox.ClaimNotices(ctx, c)
}

func (s *mortal) SettleNotices(ctx context.Context, o sessioncleanup.NoticeOutcome) error {
	if err := s.alive(); err != nil {
		return err
	}
	return s.Outbox.SettleNotices(ctx, o)
}

func (s *mortal) Notify(ctx context.Context, m Message) error {
	if err := s.alive(); err != nil {
		return err
	}
	return s.mailbox.Notify(ctx, m)
}

func TestASenderThatIsKilledLosesNothingAndRepeatsTheSameMessage(t *testing.T) {
	t.Parallel()
	for steps := range 20 {
		synctest.Test(t, func(t *testing.T) {
			store, m := due(t, 6, 3)
			box := &mailbox{}
			dying := &mortal{Store: store, Outbox: store, mailbox: box, steps: steps}
			_, _ = (&Owners{Manager: m, Store: dying, Channel: dying, PerMinute: 6000}).Deliver(t.Context())
			time.Sleep(ownersLeaseTTL + time.Second)
			deliverAll(t, &Owners{Manager: m, Store: store, Channel: box, PerMinute: 6000})
			messages := map[string]string{} // by session
			for _, message := range box.got {
				for _, id := range sessionsOf(message) {
					if was := messages[id]; was != "" && was != message.ID {
						t.Errorf("killed after %d steps: session %s is in the messages %s and %s", steps, id, was, message.ID)
					}
					messages[id] = message.ID
				}
			}
			if len(messages) != 6 || len(box.got) > 4 {
				t.Errorf("killed after %d steps: %d sessions in %d messages, want 6 in 3, or one repeated", steps, len(messages), len(box.got))
			}
		})
	}
}

func TestTwoSendersSendNothingTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, m := due(t, 60, 20)
		box := &mailbox{}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				_, err := (&Owners{Manager: m, Store: store, Channel: box}).Deliver(t.Context())
				if err != nil && !errors.Is(err, sessioncleanup.ErrLeaseHeld) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(box.got) != 20 {
			t.Errorf("%d messages, want 20", len(box.got))
		}
	})
}

func TestOwnersAreCheckedAtTheStart(t *testing.T) {
	t.Parallel()
	store := memory.New(memory.Config{})
	m, err := sessioncleanup.New(store, sessioncleanup.Config{})
	if err != nil {
		t.Fatal(err)
	}
	mail, err := OpenOwners("smtp://mail.example.com?from=app@example.com&tls=none")
	if err != nil {
		t.Fatal(err)
	}
	if err := mail.Notify(t.Context(), Message{ID: "1"}); !Permanent(err) {
		t.Errorf("a mail to nobody: %v", err)
	}
	for want, o := range map[string]*Owners{
		"Channel is nil":             {Manager: m, Store: store},
		"nothing says where to send": {Manager: m, Store: store, Channel: mail},
		"below 24h":                  {Manager: m, Store: store, Channel: &mailbox{}, Quiet: Quiet{Until: ownersDay}},
		`language "de"`:              {Manager: m, Store: store, Channel: &mailbox{}, Language: "de"},
	} {
		if _, err := o.Deliver(t.Context()); !errors.Is(err, sessioncleanup.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("Deliver: %v, want ErrInvalid with %q", err, want)
		}
	}
	if d := deliverAll(t, &Owners{Manager: m, Store: store, Channel: &mailbox{}}); d != (Delivery{}) {
		t.Errorf("without warnings in the policy: %+v", d)
	}
}
