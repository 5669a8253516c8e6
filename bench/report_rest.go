package main

import (
	"fmt"
	"slices"
	"strconv"
)

func (p page) tracked(way, shape, sessions string, figure func(TrackingSample) float64) []float64 {
	return values(p.Tracking, func(s TrackingSample) bool {
		return s.Tracking == way && s.Shape == shape && s.Sessions == sessions
	}, figure)
}

func trackedRows(s TrackingSample) float64 { return s.PerSecond }

// trackedRatio are the rows per second of a way against those without tracking, by round.
func (p page) trackedRatio(way, shape, sessions string) []float64 {
	return ratiosOf(p.tracked(way, shape, sessions, trackedRows), p.tracked(untracked, shape, sessions, trackedRows))
}

// trackedRatios are those of all ways.
func (p page) trackedRatios(shape, sessions string) [][]float64 {
	var all [][]float64
	for _, way := range trackingWays() {
		all = append(all, p.trackedRatio(way, shape, sessions))
	}
	return all
}

// shapes are the ways to insert activity, with words for each.
var shapes = []struct{ shape, sessions, words string }{
	{"single", "hot", "8 clients, one session"},
	{"single", "spread", "8 clients, 10,000 sessions"},
	{"bulk", "hot", "10,000 rows at once, one session"},
	{"bulk", "spread", "10,000 rows at once, 10,000 sessions"},
}

// TrackingTable is what it costs to follow activity.
func (p page) TrackingTable() string {
	var rows [][]string
	for _, sh := range shapes {
		for _, way := range trackingWays() {
			get := func(figure func(TrackingSample) float64) []float64 {
				return p.tracked(way, sh.shape, sh.sessions, figure)
			}
			updates, hot := sum(get(func(s TrackingSample) float64 { return float64(s.Updates) })), sum(get(func(s TrackingSample) float64 { return float64(s.HOT) }))
			share := "–"
			if updates > 0 {
				share = num(100*hot/updates) + " %"
			}
			rows = append(rows, []string{
				sh.words, way, strconv.Itoa(len(get(trackedRows))), num(median(get(trackedRows))), ratioOf(p.trackedRatio(way, sh.shape, sh.sessions)),
				num(median(get(func(s TrackingSample) float64 { return s.WALPerRow }))), grouped(int64(updates)), share,
			})
		}
	}
	return table([]string{"inserts", "tracking", "rounds", "rows/s", "with / without", "WAL, bytes per row", "updates of sessions, all rounds", "of them HOT"}, rows)
}

func sum(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total
}

func (p page) read(question, way string, size int) []float64 {
	return values(p.Reading, func(s ReadingSample) bool { return s.Question == question && s.Way == way && s.Size == size },
		func(s ReadingSample) float64 { return s.MS })
}

func (p page) readingSizes() []int {
	return slices.Sorted(slices.Values(distinct(p.Reading, func(s ReadingSample) int { return s.Size })))
}

// asked are the questions of ReadingTable, each with the way by hand.
var asked = []struct{ question, byHand string }{
	{nothingDue, byHandOnce}, {statistics, fiveCounts}, {pageFirst, byOffset}, {pageDeep, byOffset},
}

// readRatio is the time of this project's answer against that by hand, by round.
func (p page) readRatio(question, byHand string, size int) []float64 {
	return ratiosOf(p.read(question, ours, size), p.read(question, byHand, size))
}

// readRatios are those of all questions.
func (p page) readRatios(size int) [][]float64 {
	var all [][]float64
	for _, q := range asked {
		all = append(all, p.readRatio(q.question, q.byHand, size))
	}
	return all
}

// ReadingTable is how questions grow with the table.
func (p page) ReadingTable() string {
	var rows [][]string
	for _, q := range asked {
		for _, size := range p.readingSizes() {
			rows = append(rows, []string{
				q.question, grouped(int64(size)), num(median(p.read(q.question, ours, size))), q.byHand, num(median(p.read(q.question, q.byHand, size))),
				ratioOf(p.readRatio(q.question, q.byHand, size)), strconv.Itoa(len(p.readRatio(q.question, q.byHand, size))),
			})
		}
	}
	return table([]string{"question", "sessions", ours + ", ms", "by hand", "by hand, ms", ours + " / by hand", "rounds"}, rows)
}

func (p page) queried(query, stage string, size int) []float64 {
	return values(p.Queries, func(s QuerySample) bool { return s.Query == query && s.Stage == stage && s.Size == size },
		func(s QuerySample) float64 { return s.MS })
}

func (p page) querySizes() []int {
	return slices.Sorted(slices.Values(distinct(p.Queries, func(s QuerySample) int { return s.Size })))
}

// queryNames are the host's queries, and the mix.
func queryNames() []string {
	var names []string
	for _, q := range hostQueries() {
		names = append(names, q.name)
	}
	return append(names, mixName)
}

// queryRatio are the times of a query in a stage against those before, by round.
func (p page) queryRatio(query, stage string, size int) []float64 {
	return ratiosOf(p.queried(query, stage, size), p.queried(query, stageBefore, size))
}

// queryRatios are those of all queries, in all later stages.
func (p page) queryRatios(size int) [][]float64 {
	var all [][]float64
	for _, name := range queryNames() {
		for _, stage := range []string{stageAfter, stageVacuumed} {
			all = append(all, p.queryRatio(name, stage, size))
		}
	}
	return all
}

// saved is the part of the time that a stage saves, in percent, the median of rounds.
func (p page) saved(query, stage string, size int) float64 {
	return 100 * (1 - median(p.queryRatio(query, stage, size)))
}

// QueriesTable is what the host's own queries gain.
func (p page) QueriesTable() string {
	var rows [][]string
	for _, size := range p.querySizes() {
		for _, name := range queryNames() {
			share := "all"
			for _, q := range hostQueries() {
				if q.name == name {
					share = fmt.Sprintf("%d %%", q.weight)
				}
			}
			row := []string{grouped(int64(size)), name, share, strconv.Itoa(len(p.queried(name, stageBefore, size)))}
			for _, stage := range []string{stageBefore, stageAfter, stageVacuumed} {
				row = append(row, num(median(p.queried(name, stage, size))))
			}
			rows = append(rows, append(row, percent(p.saved(name, stageAfter, size)), percent(p.saved(name, stageVacuumed, size))))
		}
	}
	return table([]string{"sessions", "query", "of the mix", "rounds", "before, ms", "after the cleanup, ms", "after VACUUM, ms", "saved by the cleanup", "saved after VACUUM"}, rows)
}

func percent(v float64) string {
	if s := num(v); s == "–" {
		return s
	}
	return fmt.Sprintf("%.0f %%", v)
}

// Promise compares the guide's promise with what was measured on the largest table.
func (p page) Promise() string {
	sizes := p.querySizes()
	if len(sizes) == 0 {
		return ""
	}
	size := sizes[len(sizes)-1]
	saved := p.saved(mixName, stageVacuumed, size)
	verdict := "within what the guide promises"
	switch {
	case saved < 40:
		verdict = "less than the guide promises"
	case saved > 60:
		verdict = "more than the guide promises"
	}
	return fmt.Sprintf("With %s sessions the mix takes %.0f %% less time after the cleanup and VACUUM: %s.", grouped(int64(size)), saved, verdict)
}

// memoryOperations are the rows of MemoryTable, each with what its stores are compared by.
var memoryOperations = []struct {
	name   string
	figure func(MemorySample) float64
}{{opInsert, nanoseconds}, {opTouch, nanoseconds}, {opCleanup, nanoseconds}, {opKeep, allocatedBytes}}

func nanoseconds(s MemorySample) float64    { return s.NS }
func allocatedBytes(s MemorySample) float64 { return s.Bytes }

func (p page) remembered(operation, store string, figure func(MemorySample) float64) []float64 {
	return values(p.Memory, func(s MemorySample) bool { return s.Operation == operation && s.Store == store }, figure)
}

// memoryRatios are this project's figures against those of scs, for each operation by round.
func (p page) memoryRatios() [][]float64 {
	var all [][]float64
	for _, o := range memoryOperations {
		all = append(all, ratiosOf(p.remembered(o.name, ours, o.figure), p.remembered(o.name, scsStore, o.figure)))
	}
	return all
}

// MemoryTable compares the stores in memory.
func (p page) MemoryTable() string {
	var rows [][]string
	for i, o := range memoryOperations {
		for _, store := range []string{ours, scsStore} {
			get := func(figure func(MemorySample) float64) string {
				return num(median(p.remembered(o.name, store, figure)))
			}
			ratio := "1.00"
			if store == ours {
				ratio = ratioOf(p.memoryRatios()[i])
			}
			row := []string{o.name, store, get(nanoseconds), get(func(s MemorySample) float64 { return s.Allocs }), get(allocatedBytes), ratio}
			if o.name == opKeep {
				row[2], row[3] = "–", "–"
			}
			rows = append(rows, row)
		}
	}
	return table([]string{"operation", "store", "ns", "allocations", "bytes", ours + " / " + scsStore}, rows)
}

// MemoryRounds is in how many rounds they were compared.
func (p page) MemoryRounds() int { return len(p.memoryRatios()[0]) }

// MemorySize is the number of sessions in them.
func (p page) MemorySize() string {
	if len(p.Memory) == 0 {
		return "–"
	}
	return grouped(int64(p.Memory[0].Size))
}

// HTTPSize is the number of sessions behind the handlers.
func (p page) HTTPSize() string {
	if len(p.HTTP) == 0 {
		return "–"
	}
	return grouped(int64(p.HTTP[0].Size))
}

func (p page) answered(request string, figure func(HTTPSample) float64) []float64 {
	return values(p.HTTP, func(s HTTPSample) bool { return s.Request == request }, figure)
}

func requestsPerSecond(s HTTPSample) float64 { return s.PerSecond }

// answeredRatio are the requests per second against those of the bare handler, by round.
func (p page) answeredRatio(request string) []float64 {
	return ratiosOf(p.answered(request, requestsPerSecond), p.answered(bareHandler, requestsPerSecond))
}

// answeredRatios are those of all requests.
func (p page) answeredRatios() [][]float64 {
	var all [][]float64
	for _, request := range distinct(p.HTTP, func(s HTTPSample) string { return s.Request }) {
		all = append(all, p.answeredRatio(request))
	}
	return all
}

// HTTPTable is how fast requests are answered.
func (p page) HTTPTable() string {
	var rows [][]string
	names := distinct(p.HTTP, func(s HTTPSample) string { return s.Request })
	slices.Sort(names)
	for _, name := range names {
		rows = append(rows, []string{
			name, strconv.Itoa(len(p.answered(name, requestsPerSecond))), num(median(p.answered(name, requestsPerSecond))), ratioOf(p.answeredRatio(name)),
			num(median(p.answered(name, func(s HTTPSample) float64 { return s.P50 }))), num(median(p.answered(name, func(s HTTPSample) float64 { return s.P99 }))),
		})
	}
	return table([]string{"request", "rounds", "requests/s", "against the bare handler", "p50, ms", "p99, ms"}, rows)
}

// BarTable has every bar, whether it holds or not.
func (p page) BarTable() string {
	var rows [][]string
	for _, bar := range bars() {
		r, ok := p.bar(bar)
		sign := "at most "
		if bar.atLeast {
			sign = "at least "
		}
		row := []string{bar.what, sign + withUnit(strconv.FormatFloat(bar.bar, 'f', -1, 64), bar.unit), "not measured", "–", "–", "–", "`" + codeInTable(bar.command()) + "`"}
		switch {
		case !ok:
		case r.Error != "":
			row[2] = "no figure: the command failed"
		case r.Holds:
			row[2], row[3] = withUnit(exact(r.Measured), bar.unit), "yes"
		default:
			row[2], row[3] = withUnit(exact(r.Measured), bar.unit), "**no**"
		}
		if ok && r.Error == "" && !r.At.IsZero() {
			row[4], row[5] = percent(r.Stolen), r.At.Format(minute)
		}
		rows = append(rows, row)
	}
	return table([]string{"what", "bar", "measured", "holds", "stolen", "when, UTC", "command"}, rows)
}

// exact writes a figure that is compared with a bar, with three digits.
func exact(v float64) string {
	if v >= 100 {
		return num(v)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// bar is the last result of a bar.
func (p page) bar(b bar) (BarResult, bool) {
	for _, r := range p.Bars {
		if r.What == b.what {
			return r, true
		}
	}
	return BarResult{}, false
}

// Broken are the bars that do not hold, with what limits them.
func (p page) Broken() []string {
	var lines []string
	for _, bar := range bars() {
		if r, ok := p.bar(bar); ok && r.Error == "" && !r.Holds {
			lines = append(lines, fmt.Sprintf("%s (%s): %s", bar.what, withUnit(exact(r.Measured), bar.unit), bar.limit))
		}
	}
	return lines
}

func withUnit(figure, unit string) string {
	if unit == "" {
		return figure
	}
	return figure + " " + unit
}

// codeInTable keeps a | of a command from ending the cell.
func codeInTable(command string) string {
	var out []rune
	for _, r := range command {
		if r == '|' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}
