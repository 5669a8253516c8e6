package main

import (
	"fmt"
	"math"
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
// patience counts twice.
func measureCron(b *bench, s *scope) error {
	t := b.templates(s)
	l := layout{slices.Max(b.sizes), facedDue}
	b.results.Cron = nil
	patient := *b
	patient.patience *= 2
	return patient.untilKnown(fmt.Sprintf("cron: %d sessions", l.size), func(round int) error {
		for _, c := range rotated(facedContenders(), round) {
			sample, _, err := quietest(s.ctx, sampleTries, func() (CronSample, float64, error) { return facedOnce(s, t, c, l, facedPeriods*b.period) })
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			sample.Round = round
			b.results.Cron = append(b.results.Cron, sample)
		}
		return nil
	}, func() [][]float64 { return page{b.results}.facedRatios() })
}

// facedContenders are those in the first picture.
func facedContenders() []contender {
	return slices.DeleteFunc(contendersOn(onPostgres), func(c contender) bool { return c.name != ours && c.name != byHandOnce })
}

// facedOnce has a contender clean up fresh databases until clients have met it for a while, and says which part of the
// processors' time was stolen meanwhile.
func facedOnce(s *scope, t *templates, c contender, l layout, period time.Duration) (sample CronSample, stolen float64, err error) {
	sample = CronSample{Contender: c.name, Size: l.size}
	var all strokes
	var seconds, longest, parts []float64
	for met := time.Duration(0); met < period && sample.Runs < facedRuns; sample.Runs++ {
		done, seen, err := loadedOnce(s, t, c, l)
		if err != nil {
			return sample, 0, err
		}
		met += done.took()
		seconds, longest, parts = append(seconds, done.took().Seconds()), append(longest, ms(done.longest)), append(parts, seen.stolen)
		all.during, all.returning = append(all.during, seen.during...), append(all.returning, seen.returning...)
	}
	sample.Seconds, sample.Longest = median(seconds), median(longest)
	sample.Others, sample.Returning = latencyOf(all.during), latencyOf(all.returning)
	return sample, sum(parts) / float64(len(parts)), nil
}

// face is a row in the table of the picture.
type face struct {
	what   string
	drawn  bool // in the picture, too
	figure func(CronSample) float64
}

// faces are what is shown of a cleanup.
func faces() []face {
	return []face{
		{"longest transaction, ms", true, func(s CronSample) float64 { return s.Longest }},
		{"p99 of the waits of who comes back, ms", true, func(s CronSample) float64 { return seen(s.Returning, s.Returning.P99) }},
		{"p99 of the waits of all others, ms", false, func(s CronSample) float64 { return seen(s.Others, s.Others.P99) }},
		{"time of the cleanup, s", false, func(s CronSample) float64 { return s.Seconds }},
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

// FaceTable has the figures of the picture, and some that are not in it.
func (p page) FaceTable() string {
	var rows [][]string
	for _, f := range faces() {
		rows = append(rows, []string{f.what, num(median(p.faced(f, ours))), num(median(p.faced(f, byHandOnce))), ratioOf(p.facedRatio(f))})
	}
	return table([]string{"", ours, "cron job", "ratio"}, rows)
}

// LongestWaits says for how long a client waited at most in all rounds, on sessions that were due.
func (p page) LongestWaits() string {
	longest := func(contender string) string {
		all := p.faced(face{figure: func(s CronSample) float64 { return s.Returning.Max }}, contender)
		if len(all) == 0 {
			return num(math.NaN())
		}
		return num(slices.Max(all))
	}
	return fmt.Sprintf("%s ms here, %s ms with the cron job", longest(ours), longest(byHandOnce))
}
