package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/perf/benchmath"
)

// resultsFile is below the folder of the docs.
const resultsFile = "benchmarks/results.json"

// Setting is how a run was made.
type Setting struct {
	Machine Machine       `json:"machine"`
	Sizes   Sizes         `json:"sizes"`
	Share   float64       `json:"busy_share"` // Policy.BusyShare of the cleanups
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took"`
}

// Results are what a run measured.
type Results struct {
	Setting Setting   `json:"setting"`
	Figures []*Figure `json:"figures"`
}

// Figure is one thing that was measured once per round.
type Figure struct {
	Part      string    `json:"part"`
	Engine    string    `json:"engine"`
	Contender string    `json:"contender"`
	Name      string    `json:"figure"`
	Values    []float64 `json:"values"`
}

// add adds the value of one round, to four significant digits.
func (r *Results) add(part, engine, contender, name string, value float64) {
	value, _ = strconv.ParseFloat(strconv.FormatFloat(value, 'g', 4, 64), 64) // what FormatFloat writes can be read
	at := r.index(part, engine, contender, name)
	if at < 0 {
		at = len(r.Figures)
		r.Figures = append(r.Figures, &Figure{Part: part, Engine: engine, Contender: contender, Name: name})
	}
	r.Figures[at].Values = append(r.Figures[at].Values, value)
}

func (r *Results) index(part, engine, contender, name string) int {
	return slices.IndexFunc(r.Figures, func(f *Figure) bool {
		return f.Part == part && f.Engine == engine && f.Contender == contender && f.Name == name
	})
}

// values are those of all rounds; none of what was not measured.
func (r *Results) values(part, engine, contender, name string) []float64 {
	if at := r.index(part, engine, contender, name); at >= 0 {
		return r.Figures[at].Values
	}
	return nil
}

// of is the estimate of a figure.
func (r *Results) of(part, engine, contender, name string) estimate {
	return estimateOf(r.values(part, engine, contender, name))
}

// ratio is the estimate of a contender's figure divided by another one's of the same round.
func (r *Results) ratio(part, engine, contender, other, name string) estimate {
	base := r.values(part, engine, other, name)
	var ratios []float64
	for i, v := range r.values(part, engine, contender, name) {
		if i < len(base) {
			ratios = append(ratios, v/base[i])
		}
	}
	return estimateOf(ratios)
}

// write writes one line per figure.
func (r *Results) write(file string) error {
	setting, err := json.MarshalIndent(r.Setting, "", "\t")
	if err != nil {
		return err
	}
	var lines [][]byte
	for _, f := range r.Figures {
		line, err := json.Marshal(f)
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	text := fmt.Appendf(nil, "{\"setting\": %s, \"figures\": [\n%s\n]}\n", setting, bytes.Join(lines, []byte(",\n")))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

func readResults(file string) (*Results, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var r Results
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &r, nil
}

// estimate is a median and the interval in which the median of ever more rounds would lie, in 19 of 20 cases. The
// interval is infinite when there were too few rounds to tell.
type estimate struct{ median, low, high float64 }

func estimateOf(values []float64) estimate {
	if len(values) == 0 {
		return estimate{math.NaN(), math.NaN(), math.NaN()}
	}
	s := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds), 0.95)
	return estimate{s.Center, s.Lo, s.Hi}
}

// known reports whether there were enough rounds for an interval.
func (e estimate) known() bool {
	return !math.IsNaN(e.low) && !math.IsInf(e.low, 0) && !math.IsInf(e.high, 0)
}

// times is the estimate in another unit.
func (e estimate) times(factor float64) estimate {
	return estimate{e.median * factor, e.low * factor, e.high * factor}
}

// String is the median with its interval.
func (e estimate) String() string {
	if !e.known() {
		return number(e.median)
	}
	return fmt.Sprintf("%s (%s to %s)", number(e.median), number(e.low), number(e.high))
}

// quantile is the value that a part p of all values does not exceed; 0 of none.
func quantile(values []time.Duration, p float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(int(math.Ceil(p*float64(len(sorted))))-1, 0)]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
