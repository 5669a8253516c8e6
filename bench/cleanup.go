package main

import "fmt"

// The parts of all sessions that are due, in percent.
var dueParts = []int{20, 80}

// Small tables are cleaned in a moment, which is as long as the disk's moods: so they are cleaned more often.
const (
	fullRound  = 100_000 // sessions
	moreRounds = 4       // at most so many times as many rounds
)

// measureCleanup has every contender clean up the same numbers of rows, first with nobody else there and then under
// load, by turns.
func measureCleanup(b *bench, s *scope) error {
	t := b.templates(s)
	b.results.Cleanup = otherSizes(b.results.Cleanup, b.sizes, func(s CleanupSample) int { return s.Size })
	for _, size := range b.sizes {
		for _, due := range dueParts {
			for round := range b.roundsTimes(min(max(fullRound/size, 1), moreRounds)) {
				for _, c := range rotated(contenders(), round) {
					sample, err := cleanOnce(s, t, c, size, due, round < b.rounds)
					if err != nil {
						return fmt.Errorf("%s on %s, %d sessions, %d %% due: %w", c.name, c.database, size, due, err)
					}
					sample.Round = round
					b.results.Cleanup = append(b.results.Cleanup, sample)
				}
			}
			b.say("cleanup: %d sessions, %d %% due", size, due)
		}
	}
	return nil
}

// cleanOnce is one sample: a cleanup for its cost, and when loaded one of the same rows for what clients see of it.
func cleanOnce(s *scope, t *templates, c contender, size, due int, loaded bool) (CleanupSample, error) {
	sample := CleanupSample{Database: c.database, Contender: c.name, Size: size, Due: due}
	err := within(s.ctx, func(s *scope) error {
		bed := c.open(s, t, size, due)
		before := bed.wal()
		done, err := bed.clean(s.ctx)
		if err != nil {
			return err
		}
		sample.WAL, sample.Bytes = bed.wal()-before, bed.bytes()
		sample.Rows, sample.Seconds, sample.Longest = done.rows, done.took().Seconds(), ms(done.longest)
		sample.Waited = max(0, done.from.Sub(done.asked).Seconds())
		if want := (layout{size, due}).dueCount(); done.rows != want {
			return fmt.Errorf("it cleaned %d rows, and %d were due", done.rows, want)
		}
		return nil
	})
	if err != nil || !loaded {
		return sample, err
	}
	err = within(s.ctx, func(s *scope) error {
		var err error
		bed := c.open(s, t, size, due)
		_, sample.Busy, err = underLoad(s.ctx, bed, t.load)
		return err
	})
	return sample, err
}
