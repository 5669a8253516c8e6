package main

import (
	"fmt"
	"slices"
	"time"
)

// The first picture: this project and a cron job clean up the same sessions.

// facedDue is the part due, in percent.
const facedDue = 80

// Clients meet a contender for so many periods in a round: a cleanup that is over sooner is done again, but not for ever.
const (
	facedPeriods = 5
	facedRuns    = 10
)

// measureCron has this project and the cron job clean up under load by turns, the largest size. Its rounds are long, so
// patience counts double.
func measureCron(b *bench, s *scope) error {
	t := b.templates(s)
	l := layout{slices.Max(b.sizes), facedDue}
	b.results.Cron = nil
	patient := *b
	patient.patience *= 2
	rounds := 0
	err := patient.untilKnown(func(round int) error {
		rounds++
		for _, c := range rotated(facedContenders(), round) {
			sample, _, err := quietest(s.ctx, sampleTries, func() (CronSample, float64, error) {
				watched := watchProcessors()
				sample, err := facedOnce(s, t, c, l, facedPeriods*b.period)
				return sample, watched(), err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			sample.Round = round
			b.results.Cron = append(b.results.Cron, sample)
		}
		return nil
	}, func() [][]float64 { return page{b.results}.facedRatios() })
	b.say("cron: %d sessions: %d rounds", l.size, rounds)
	return err
}

// facedContenders are those in the first picture.
func facedContenders() []contender {
	return slices.DeleteFunc(contendersOn(onPostgres), func(c contender) bool { return c.name != ours && c.name != byHandOnce })
}

// facedOnce has a contender clean up fresh databases until clients have met it for a while.
func facedOnce(s *scope, t *templates, c contender, l layout, period time.Duration) (CronSample, error) {
	sample := CronSample{Contender: c.name, Size: l.size}
	var all strokes
	var longest []float64
	for took := time.Duration(0); took < period && sample.Runs < facedRuns; sample.Runs++ {
		done, seen, err := loadedOnce(s, t, c, l)
		if err != nil {
			return sample, err
		}
		took += done.took()
		sample.Seconds = took.Seconds()
		longest = append(longest, ms(done.longest))
		all.during, all.returning = append(all.during, seen.during...), append(all.returning, seen.returning...)
	}
	sample.Longest, sample.Others, sample.Returning = median(longest), latencyOf(all.during), latencyOf(all.returning)
	return sample, nil
}

// face is one group of bars in the picture.
type face struct {
	what   string
	figure func(CronSample) float64
}

// faces are what the picture shows of a cleanup.
func faces() []face {
	return []face{
		{"longest transaction", func(s CronSample) float64 { return s.Longest }},
		{"p99 of waits, sessions that are due", func(s CronSample) float64 { return seen(s.Returning, s.Returning.P99) }},
		{"p99 of waits, other sessions", func(s CronSample) float64 { return seen(s.Others, s.Others.P99) }},
	}
}

// faced are a figure of a contender, by round.
func (p page) faced(f face, contender string) []float64 {
	return values(p.Cron, func(s CronSample) bool { return s.Contender == contender }, f.figure)
}

func (p page) facedRatio(f face) []float64 {
	return ratiosOf(p.faced(f, ours), p.faced(f, byHandOnce))
}

func (p page) facedRatios() [][]float64 {
	var all [][]float64
	for _, f := range faces() {
		all = append(all, p.facedRatio(f))
	}
	return all
}

// FacedSize is the number of sessions in the picture; 0 when there is none.
func (p page) FacedSize() int {
	if len(p.Cron) == 0 {
		return 0
	}
	return p.Cron[0].Size
}

// FacedRounds is in how many rounds it was measured.
func (p page) FacedRounds() int { return len(p.facedRatio(faces()[0])) }

// FaceTable has the figures of the picture.
func (p page) FaceTable() string {
	var rows [][]string
	for _, f := range faces() {
		rows = append(rows, []string{f.what, num(median(p.faced(f, ours))), num(median(p.faced(f, byHandOnce))), ratioOf(p.facedRatio(f))})
	}
	return table([]string{"ms", ours, "cron job", "ratio"}, rows)
}
