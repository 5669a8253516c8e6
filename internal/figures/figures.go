// Package figures reads what a Manager knows of all sessions, for Prometheus and OpenTelemetry.
package figures

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sessioncleanup/sessioncleanup"
	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// The defaults of a Reader.
const (
	defaultInterval = 15 * time.Second
	defaultTimeout  = 8 * time.Second // less than Prometheus waits
)

// busyShare is the part of the time that the database spends on figures at most: a twentieth.
const busyShare = 20

// Figures are those of all sessions.
type Figures struct {
	Stats   sessioncleanup.Stats
	Archive *sessioncleanup.ArchiveSize // nil where there is none
	Tags    []Tagged                    // of tags that have a rule, as far as there was time to count them
}

// Tagged are the figures of the sessions with a tag.
type Tagged struct {
	Tag   string
	Stats sessioncleanup.Stats
}

// OutboxAge is for how long the oldest pending warning has been in the outbox; 0 when there is none.
func (f Figures) OutboxAge() time.Duration {
	if o := f.Stats.Outbox; o != nil && o.Pending > 0 {
		return f.Stats.At.Sub(o.OldestAt)
	}
	return 0
}

// Reader reads figures. It is used by one goroutine at a time.
type Reader struct {
	Manager  *sessioncleanup.Manager
	Interval time.Duration // the database is asked once per interval, and after an answer that took long only after 20 times as long
	Timeout  time.Duration // of which the tags take half at most

	next    time.Time // when the database is asked again
	tags    []Tagged  // those read last
	nextTag string    // the tag that is counted first; empty: any
}

// New returns a Reader, with defaults for what is 0. An ErrInvalid names a field of a configuration.
func New(m *sessioncleanup.Manager, config string, interval, timeout time.Duration) (Reader, error) {
	switch {
	case m == nil:
		return Reader{}, invalid.Errorf("manager is nil: want a Manager")
	case interval < 0:
		return Reader{}, invalid.Errorf("%s.Interval is %v: want a positive duration", config, interval)
	case timeout < 0:
		return Reader{}, invalid.Errorf("%s.Timeout is %v: want a positive duration", config, timeout)
	}
	return Reader{Manager: m, Interval: cmp.Or(interval, defaultInterval), Timeout: cmp.Or(timeout, defaultTimeout)}, nil
}

// Due reports whether it is time to ask the database.
func (r *Reader) Due(now time.Time) bool { return !now.Before(r.next) }

// Took notes how long the database took to answer.
func (r *Reader) Took(d time.Duration) { r.next = time.Now().Add(max(r.Interval, (busyShare-1)*d)) }

// Read asks the database.
func (r *Reader) Read(ctx context.Context) (f Figures, err error) {
	if f.Stats, err = r.Manager.RecentStats(ctx, ""); err != nil {
		return f, err
	}
	r.tags = r.readTags(ctx)
	f.Tags = r.tags
	size, err := r.Manager.ArchiveSize(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		return f, nil
	}
	f.Archive = &size
	return f, err
}

// readTags counts the sessions of each tag that has a rule, for half of the timeout: in a large table, this can take
// long. A tag for which there was no time keeps its previous figures, and is counted first the next time.
func (r *Reader) readTags(ctx context.Context) (all []Tagged) {
	tags := r.Manager.Policy().RuleTags()
	if len(tags) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout/2)
	defer cancel()
	i := max(slices.Index(tags, r.nextTag), 0)
	order := slices.Concat(tags[i:], tags[:i])
	r.nextTag = ""
	for _, tag := range order {
		if r.nextTag == "" {
			stats, err := r.Manager.TaggedStats(ctx, "", tag)
			if err == nil {
				all = append(all, Tagged{tag, stats})
				continue
			}
			r.nextTag = tag
		}
		if j := slices.IndexFunc(r.tags, func(t Tagged) bool { return t.Tag == tag }); j >= 0 {
			all = append(all, r.tags[j])
		}
	}
	return all
}
