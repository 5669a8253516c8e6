package main

import (
	"fmt"
	"runtime"
)

// The parts of all sessions that are due, in percent.
var dueParts = []int{20, 80}

// sampleTries is how often a sample is taken that was disturbed.
const sampleTries = 3

// measureCleanup has every contender clean up the same numbers of rows, by turns with the others on its database.
func measureCleanup(b *bench, s *scope) error {
	t := b.templates(s)
	b.results.Cleanup = otherSizes(b.results.Cleanup, b.sizes, func(s CleanupSample) int { return s.Size })
	for _, size := range b.sizes {
		for _, due := range dueParts {
			for _, database := range databases() {
				what := fmt.Sprintf("cleanup: %s, %d sessions, %d %% due", database, size, due)
				err := b.untilKnown(what, func(round int) error {
					return b.cleanRound(s, t, database, layout{size, due}, round)
				}, func() [][]float64 {
					return page{b.results}.cleanupRatios(database, size, due)
				})
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// cleanRound is one cleanup by each contender on a database. In the rounds that were asked for, each cleans the same rows
// under load, too; after them, those whose ratio is known rest.
func (b *bench) cleanRound(s *scope, t *templates, database string, l layout, round int) error {
	for _, c := range rotated(contendersOn(database), round) {
		if round >= b.rounds && c.name != standard(database) && !unknown(page{b.results}.cleanupRatio(database, c.name, l.size, l.due)) {
			continue
		}
		sample, _, err := quietest(s.ctx, sampleTries, func() (CleanupSample, float64, error) { return cleanAlone(s, t, c, l) })
		if err == nil && round < b.rounds {
			sample.Busy, _, err = quietest(s.ctx, sampleTries, func() (BusyRun, float64, error) { return cleanLoaded(s, t, c, l) })
		}
		if err != nil {
			return fmt.Errorf("%s on %s, %d sessions, %d %% due: %w", c.name, database, l.size, l.due, err)
		}
		sample.Round = round
		b.results.Cleanup = append(b.results.Cleanup, sample)
	}
	return nil
}

// cleanAlone is a cleanup for its cost.
func cleanAlone(s *scope, t *templates, c contender, l layout) (sample CleanupSample, stolen float64, err error) {
	sample = CleanupSample{Database: c.database, Contender: c.name, Size: l.size, Due: l.due}
	err = within(s.ctx, func(s *scope) error {
		bed := c.fresh(s, t, l)
		before, watched := bed.wal(), watchProcessors()
		done, err := bed.clean(s.ctx)
		if err != nil {
			return err
		}
		stolen = watched()
		sample.WAL, sample.Bytes = bed.wal()-before, bed.bytes()
		sample.Rows, sample.Seconds, sample.Longest = done.rows, done.took().Seconds(), ms(done.longest)
		sample.Waited, sample.Paused = max(0, done.from.Sub(done.asked).Seconds()), done.paused.Seconds()
		if want := l.dueCount(); done.rows != want {
			return fmt.Errorf("it cleaned %d rows, and %d were due", done.rows, want)
		}
		return nil
	})
	return sample, stolen, err
}

// fresh opens a contender's database when memory is free of what others left there, so that it is neither collected
// during the measurement nor lies between what is new.
func (c contender) fresh(s *scope, t *templates, l layout) bed {
	runtime.GC()
	bed := c.open(s, t, l.size, l.due)
	runtime.GC()
	return bed
}

// cleanLoaded is a cleanup for what clients see of it.
func cleanLoaded(s *scope, t *templates, c contender, l layout) (busy BusyRun, stolen float64, err error) {
	done, seen, err := loadedOnce(s, t, c, l)
	return BusyRun{
		Seconds: done.took().Seconds(), Longest: ms(done.longest),
		Idle: latencyOf(seen.idle), During: latencyOf(seen.during), Returning: latencyOf(seen.returning),
	}, seen.stolen, err
}

// loadedOnce has a contender clean up a fresh database while clients use it.
func loadedOnce(s *scope, t *templates, c contender, l layout) (done cleaned, seen strokes, err error) {
	err = within(s.ctx, func(s *scope) error {
		bed := c.fresh(s, t, l)
		if done, seen, err = underLoad(s.ctx, bed, t.load); err != nil {
			return err
		}
		if most := l.dueCount(); done.rows > most || done.rows < most-seen.returned {
			return fmt.Errorf("it cleaned %d rows, and %d were due, of which at most %d were used meanwhile", done.rows, most, seen.returned)
		}
		return nil
	})
	return done, seen, err
}
