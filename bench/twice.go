package main

import (
	"fmt"
	"math"
	"slices"
)

// Ratio is one of those that the page shows, as a run measured it.
type Ratio struct {
	Measurement string  `json:"measurement"`
	Size        int     `json:"size,omitempty"` // where the measurement keeps sizes apart
	What        string  `json:"what"`
	Value       float64 `json:"value"`
}

// near is how far apart a ratio of two runs may lie to count as the same.
const near = 0.15

// ratios are all that the page shows, of one measurement.
func (p page) ratios(measurement string) []Ratio {
	var all []Ratio
	sized := func(size int, value float64, words string, args ...any) {
		if !math.IsNaN(value) && !math.IsInf(value, 0) {
			all = append(all, Ratio{measurement, size, fmt.Sprintf(words, args...), value})
		}
	}
	add := func(value float64, words string, args ...any) { sized(0, value, words, args...) }
	switch measurement {
	case "cron":
		for _, f := range faces() {
			add(median(p.facedRatio(f)), "%s sessions, %s: %s / cron job", grouped(int64(p.FacedSize())), f.what, ours)
		}
	case "cleanup":
		for _, database := range databases() {
			against := standard(database)
			for _, size := range p.CleanupSizes() {
				for _, due := range dueParts {
					for _, name := range p.contendersOn(database) {
						if name != against {
							sized(size, median(p.cleanupRatio(database, name, size, due)),
								"%s, %s, %d %% due: time of %s / %s", database, grouped(int64(size)), due, name, against)
						}
					}
				}
			}
		}
	case "tracking":
		for _, sh := range shapes {
			for _, way := range trackingWays()[1:] {
				add(median(p.trackedRatio(way, sh.shape, sh.sessions)),
					"%s: rows per second, %s / none", sh.words, way)
			}
		}
	case "reading":
		for _, size := range p.readingSizes() {
			for _, q := range asked {
				sized(size, median(p.readRatio(q.question, q.byHand, size)), "%s sessions, %s: time of %s / %s", grouped(int64(size)), q.question, ours, q.byHand)
			}
		}
	case "memory":
		for i, o := range memoryOperations {
			add(median(p.memoryRatios()[i]), "%s sessions, %s: %s / %s", p.MemorySize(), o.name, ours, scsStore)
		}
	case "queries":
		for _, size := range p.querySizes() {
			for _, query := range queryNames() {
				for _, stage := range []string{stageAfter, stageVacuumed} {
					sized(size, median(p.queryRatio(query, stage, size)), "%s sessions, %s: time %s / before", grouped(int64(size)), query, stage)
				}
			}
		}
	case "http":
		for _, request := range distinct(p.HTTP, func(s HTTPSample) string { return s.Request }) {
			if request != bareHandler {
				add(median(p.answeredRatio(request)), "%s: requests per second / bare handler", request)
			}
		}
	case barsName:
		for _, bar := range bars() {
			if r, ok := p.bar(bar); ok && r.Error == "" && bar.unit == "" {
				add(r.Measured, "%s", bar.what)
			}
		}
	}
	return all
}

// keepRatios remembers what a measurement gave before it is made again, if it is made in the same way on such a machine.
func (r *Results) keepRatios(measurement string, now Setting) {
	again := func(old Ratio) bool {
		return old.Measurement == measurement && (old.Size == 0 || slices.Contains(now.Sizes, old.Size))
	}
	r.Before = slices.DeleteFunc(r.Before, again)
	for _, was := range r.Settings[measurement] {
		if was.Rounds == now.Rounds && was.Period == now.Period && was.Files == now.Files && was.CPU == now.CPU && was.Cores == now.Cores && slices.Equal(was.Sizes, now.Sizes) {
			r.Before = append(r.Before, slices.DeleteFunc(page{r}.ratios(measurement), func(old Ratio) bool { return !again(old) })...)
		}
	}
}

// pair is a ratio that was measured twice.
type pair struct {
	Ratio
	before float64
}

func (p pair) apart() float64 { return math.Abs(p.Value/p.before - 1) }

func (p page) pairs() []pair {
	var pairs []pair
	for _, name := range append(measurementNames(), barsName) {
		for _, now := range p.ratios(name) {
			i := slices.IndexFunc(p.Before, func(old Ratio) bool { return old.Measurement == name && old.What == now.What })
			if i >= 0 {
				pairs = append(pairs, pair{now, p.Before[i].Value})
			}
		}
	}
	return pairs
}

// Twice says how many ratios there are of two runs, and how many of them came out the same; nothing when there are none.
func (p page) Twice() string {
	pairs, same := p.pairs(), 0
	for _, r := range pairs {
		if r.apart() < near {
			same++
		}
	}
	if len(pairs) == 0 {
		return ""
	}
	return fmt.Sprintf("Of the %d ratios on this page that were measured twice in the same way, %d differ by less than %.0f %%.", len(pairs), same, 100*near)
}

// TwiceTable has the ratios that did not come out the same; nothing when there are none.
func (p page) TwiceTable() string {
	var rows [][]string
	for _, r := range p.pairs() {
		if r.apart() >= near {
			rows = append(rows, []string{r.Measurement, r.What, num(r.before), num(r.Value), percent(100 * (r.Value/r.before - 1))})
		}
	}
	if rows == nil {
		return ""
	}
	return table([]string{"measurement", "ratio", "run before", "this run", "difference"}, rows)
}
