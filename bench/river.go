package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// riverBatch is how many jobs river's cleaner deletes at a time.
const riverBatch = 10_000

// greet is a kind of job.
type greet struct {
	Session int `json:"session"`
}

// Kind names it.
func (greet) Kind() string { return "greet" }

type greeter struct {
	river.WorkerDefaults[greet]
}

// Work does nothing.
func (*greeter) Work(context.Context, *river.Job[greet]) error { return nil }

type riverBed struct {
	pgBed
	insert *river.Client[pgx.Tx]
}

func openRiver(s *scope, t *templates, size, due int) bed {
	l := layout{size, due}
	b := openPG(s, t, "river", l, func(s *scope, url string) {
		pool := s.connect(url, nil)
		migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			_, err = migrator.Migrate(s.ctx, rivermigrate.DirectionUp, nil)
		}
		if err != nil {
			s.Fatal(err)
		}
		s.exec(pool, `INSERT INTO river_job (state, attempt, max_attempts, attempted_at, created_at, scheduled_at, finalized_at, args, attempted_by, kind)
			SELECT 'completed', 1, 25, at, at, at, at, jsonb_build_object('session', n), '{bench}', 'greet'
			  FROM generate_series(1, $1::int) n,
			       LATERAL (SELECT CASE WHEN n <= $2 THEN now() - interval '26 hours' - ($2 - n) * interval '1 day' / $1
			                            ELSE now() - ($1 - n) * interval '10 hours' / $1 END) AS age (at)`, size, l.dueCount())
	})
	client, err := river.NewClient(riverpgxv5.New(b.pool), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.Fatal(err)
	}
	return riverBed{b, client}
}

// clean starts a client, whose cleaner begins when it was elected leader and after a random part of a second. It works
// no jobs of the queue that the load fills.
func (b riverBed) clean(ctx context.Context) (cleaned, error) {
	w := newWatch("finalized_at <")
	workers := river.NewWorkers()
	river.AddWorker(workers, &greeter{})
	client, err := river.NewClient(riverpgxv5.New(b.s.connect(b.pool.Config().ConnString(), w)), &river.Config{
		Logger: slog.New(slog.DiscardHandler), Workers: workers, Queues: map[string]river.QueueConfig{"idle": {MaxWorkers: 1}},
	})
	if err != nil {
		return cleaned{}, err
	}
	asked := time.Now()
	if err := client.Start(ctx); err != nil {
		return cleaned{}, err
	}
	done, err := w.until(ctx, riverBatch)
	if stopErr := client.StopAndCancel(context.WithoutCancel(ctx)); err == nil {
		err = stopErr
	}
	done.asked, done.paused = asked, done.between
	return done, err
}

func (b riverBed) use(ctx context.Context, n int) error {
	_, err := b.insert.Insert(ctx, greet{Session: n}, nil)
	return err
}

// comeBack gives nothing: a finished job does not come back.
func (b riverBed) comeBack() func(ctx context.Context, n int) error { return nil }
