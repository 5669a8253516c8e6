package notify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/failures"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
	"github.com/sessioncleanup/sessioncleanup/internal/wait"
)

const (
	leaseName    = "notify operators"
	callTimeout  = 20 * time.Second // of a call of the store
	roundTimeout = 2 * time.Minute  // of all that happens between two looks
	longestEvery = 10 * time.Minute
	// figuresShare is the part of the time that reading the figures may take: they are costly where there are many sessions.
	figuresShare = 20
)

// Operators tells operators, over every channel, when an alert begins and when it is over. It does so once each, across
// restarts and among any number of instances: the audit log records for each channel what was told (ActionNotified),
// and a lease lets one instance tell at a time. Run describes what happens when a channel is down.
//
//	operators := &notify.Operators{Manager: sessions, Store: db, Channels: []notify.Notifier{slack, mail}}
//	go func() { log.Print(operators.Run(ctx)) }()
type Operators struct {
	// Manager provides the figures and their alerts. Store, which must be the Manager's, provides the log and the
	// lease. Both are required.
	Manager *sessioncleanup.Manager
	Store   sessioncleanup.Store
	// Channels are where messages go. At least one is required, and their names must differ.
	Channels []Notifier
	// Texts are those of the messages. Default: English.
	Texts *Texts
	// Service names what the messages are about. Default: the name of this machine.
	Service string
	// Every is how often Run checks, at most every 10 minutes. It checks less often when checking would take more than
	// 5% of the time. Default: 1 min.
	Every time.Duration
	// Figures returns the figures whose alerts are told. Default: those of Manager.Stats, and AlertOverdue while Manager.Overdue
	// is above 0.
	Figures func(ctx context.Context) (sessioncleanup.Stats, error)
	// Logger receives what was told, and what could not be told. Default: none.
	Logger *slog.Logger
}

// Run tells operators until ctx ends, and returns ctx's error. Any other error means that it could not start. It does
// not wait for runs, and runs do not wait for it.
//
// A channel that is down does not delay the others. Run tries its message again after a minute, then after twice as
// long each time, up to an hour, and never before the time that the receiver asks for. After a permanent error it tries
// again after a day. After the receiver is gone it does not try again in this call. A retry tells how things are by
// then: an alert that began and ended in between is not told. A message may be repeated, with the same ID, when a
// process dies between the delivery and the entry in the log.
func (o *Operators) Run(ctx context.Context) error {
	t, err := o.teller()
	if err != nil {
		return fmt.Errorf("tell operators: %w", err)
	}
	defer t.release(ctx)
	var failed failures.Count
	for {
		pause, err := t.look(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			failed = 0
		} else if failed.Add() {
			t.o.Logger.WarnContext(ctx, "messages to operators cannot be sent at the moment; trying again", "failures", failed, "error", err)
		}
		if err := wait.For(ctx, pause); err != nil {
			return err
		}
	}
}

// Tell tells operators once about the alerts of these figures, for programs that are started again and again, for
// example by cron. It returns the errors of channels; the next call tries those again. While another instance has the
// lease, Tell does nothing.
func (o *Operators) Tell(ctx context.Context, s sessioncleanup.Stats) error {
	t, err := o.teller()
	if err != nil {
		return fmt.Errorf("tell operators: %w", err)
	}
	defer t.release(ctx)
	_, err = t.hold(ctx)
	if errors.Is(err, sessioncleanup.ErrLeaseHeld) {
		t.o.Logger.InfoContext(ctx, "another instance sends the messages to operators")
		return nil
	}
	if err == nil {
		err = t.tellAll(ctx, s)
	}
	return err
}

// teller is one Run or Tell in progress.
type teller struct {
	o      Operators // with defaults
	holder string
	ttl    time.Duration // of the lease

	mu       sync.Mutex
	epoch    int64 // of the lease when channels was made
	channels []*channel
}

func (o *Operators) teller() (*teller, error) {
	t := &teller{o: *o, holder: rand.Text()}
	if t.o.Every == 0 {
		t.o.Every = time.Minute
	}
	if t.o.Logger == nil {
		t.o.Logger = slog.New(slog.DiscardHandler)
	}
	if t.o.Figures == nil {
		t.o.Figures = t.figures
	}
	switch {
	case o.Manager == nil || o.Store == nil:
		return nil, invalid.Errorf("Operators.Manager or Operators.Store is nil: want both")
	case len(o.Channels) == 0:
		return nil, invalid.Errorf("Operators.Channels is empty: want at least one")
	case t.o.Every < time.Second || t.o.Every > longestEvery:
		return nil, invalid.Errorf("Operators.Every is %v: want 1s to %v", o.Every, longestEvery)
	}
	names := map[string]bool{}
	for _, c := range o.Channels {
		if names[c.Name()] {
			return nil, invalid.Errorf("Operators.Channels has %s twice", c.Name())
		}
		names[c.Name()] = true
	}
	if err := o.Manager.PermitAll(); err != nil {
		return nil, err
	}
	var err error
	if t.o.Texts == nil {
		t.o.Texts, err = NewTexts("en")
	}
	t.ttl = t.o.Every + roundTimeout
	return t, err
}

// figures are those of the Manager, with a run of its own schedule that is late.
func (t *teller) figures(ctx context.Context) (sessioncleanup.Stats, error) {
	s, err := t.o.Manager.Stats(ctx, "")
	if late := t.o.Manager.Overdue(); err == nil && late > 0 {
		s.Alerts = append(s.Alerts, sessioncleanup.Alert{
			Code: AlertOverdue, Message: "a scheduled run is overdue by " + spanText(late), Args: []any{late},
		})
	}
	return s, err
}

// look tells the operators what is new, unless another instance does, and returns the time until the next look.
func (t *teller) look(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	_, err := t.hold(ctx)
	if held, ok := errors.AsType[*sessioncleanup.LeaseHeldError](err); ok {
		return min(max(held.Remaining, time.Second), t.o.Every), nil
	}
	if err != nil {
		return t.o.Every, err
	}
	started := time.Now()
	s, err := t.o.Figures(ctx)
	pause := min(max(t.o.Every, figuresShare*time.Since(started)), longestEvery)
	t.ttl = pause + roundTimeout
	if err == nil {
		_, err = t.hold(ctx)
	}
	if err != nil {
		return pause, err
	}
	t.o.Logger.DebugContext(ctx, "checked the alerts for operators", "alerts", len(s.Alerts))
	_ = t.tellAll(ctx, s) // it logs what went wrong, and the next look tries again
	return pause, nil
}

// hold takes the lease, or renews it, and returns its epoch.
func (t *teller) hold(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	lease, err := t.o.Store.Lease(ctx, sessioncleanup.LeaseRequest{Name: leaseName, Holder: t.holder, TTL: t.ttl})
	if err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.channels == nil || t.epoch != lease.Epoch { // others may have told something since
		t.epoch, t.channels = lease.Epoch, nil
		for _, c := range t.o.Channels {
			t.channels = append(t.channels, &channel{Notifier: c, epoch: lease.Epoch})
		}
	}
	return lease.Epoch, nil
}

// release lets another instance tell at once.
func (t *teller) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = t.o.Store.Lease(ctx, sessioncleanup.LeaseRequest{Name: leaseName, Holder: t.holder}) // it expires by itself
}

// tellAll brings every channel up to date, all at the same time.
func (t *teller) tellAll(ctx context.Context, s sessioncleanup.Stats) error {
	alerts := alertsOf(s)
	t.mu.Lock()
	channels := t.channels
	t.mu.Unlock()
	var wg sync.WaitGroup
	failures := make([]error, len(channels))
	for i, c := range channels {
		wg.Go(func() { failures[i] = t.update(ctx, c, s, alerts) })
	}
	wg.Wait()
	return errors.Join(failures...)
}
