// Command bench measures this project side by side with what people would use instead, and writes docs/benchmarks.md,
// its plots and the raw figures. scripts/bench runs it; -h explains its flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are what the flags say.
type options struct {
	sizes  []int
	rounds int
	// patience is for how long rounds are added to those of one comparison whose medians are not known yet.
	patience time.Duration
	period   time.Duration
	only     []string
	bars     bool
	bar      *regexp.Regexp // of the bars, those to measure; nil for all
	report   bool
	dir      string // the folder for databases; empty for the system's
	docs     string // the folder that holds benchmarks.md
	root     string // the repository
}

// wants says whether a bar is to be measured.
func (o options) wants(b bar) bool { return o.bar == nil || o.bar.MatchString(b.what) }

// plots is the folder of the plots and the raw figures.
func (o options) plots() string { return filepath.Join(o.docs, "benchmarks") }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// run does what the arguments say.
func run(ctx context.Context, args []string, progress io.Writer) error {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	plots := o.plots()
	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	results, err := readResults(plots)
	if err != nil {
		return err
	}
	if !o.report {
		if err := measure(ctx, o, args, results, progress); err != nil {
			return err
		}
		if err := results.write(plots); err != nil {
			return err
		}
	}
	return report(results, o.docs)
}

func parse(args []string, help io.Writer) (options, error) {
	o := options{}
	var sizes, only, bar string
	flags := flag.NewFlagSet("scripts/bench", flag.ContinueOnError)
	flags.SetOutput(help)
	flags.Usage = func() {
		fmt.Fprintf(help, `Measures this project side by side with what people would use instead, and writes docs/benchmarks.md,
docs/benchmarks/*.svg and docs/benchmarks/%s. Parts that are not measured keep their figures of before.

  scripts/bench                                   the default sizes, and the bars: some 35 minutes
  scripts/bench -sizes 10000,100000,1000000       the full sizes: some hours
  scripts/bench -only cleanup,http -bars=false    two measurements
  scripts/bench -bar 'adoption|HTTP'              some of the bars again
  scripts/bench -dir /dev/shm -bars=false         without what the disk is doing: the databases lie in memory
  scripts/bench -report                           writes the page and the plots anew, without measuring

`, resultsFile)
		flags.PrintDefaults()
	}
	flags.StringVar(&sizes, "sizes", "10000,100000", "numbers of `sessions` to measure with")
	flags.IntVar(&o.rounds, "rounds", 3, "rounds at least, of which medians are taken; in each, all contenders take turns")
	flags.DurationVar(&o.patience, "patience", time.Minute, "how long to add rounds to a comparison until its medians are known to 7 %; twice as long for the first picture")
	flags.DurationVar(&o.period, "period", time.Second, "how long each throughput is measured in a round")
	flags.StringVar(&only, "only", "", "the measurements to make, of "+strings.Join(measurementNames(), ","))
	flags.BoolVar(&o.bars, "bars", true, "also run the repository's benchmarks that have bars")
	flags.StringVar(&bar, "bar", "", "only those bars whose words match this regular `expression`, and no other measurement unless -only names it")
	flags.BoolVar(&o.report, "report", false, "measure nothing")
	flags.StringVar(&o.dir, "dir", "", "the `folder` for the measurements' databases, such as /dev/shm where the disk is too uneven to compare on\n(default the system's for temporary files, which the bars use in any case)")
	flags.StringVar(&o.docs, "docs", "../docs", "the `folder` to write to")
	flags.StringVar(&o.root, "root", "..", "the `folder` of the repository, where the bars' commands run")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q; see -h", flags.Arg(0))
	}
	for size := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(size))
		if err != nil || n < 1000 {
			return o, fmt.Errorf("-sizes has %q: want numbers from 1000", size)
		}
		o.sizes = append(o.sizes, n)
	}
	slices.Sort(o.sizes)
	if info, err := os.Stat(o.dir); o.dir != "" && (err != nil || !info.IsDir()) {
		return o, fmt.Errorf("-dir is %q: want a folder that exists", o.dir)
	}
	if o.rounds < 1 {
		return o, fmt.Errorf("-rounds is %d: want at least 1", o.rounds)
	}
	if o.patience < 0 {
		return o, fmt.Errorf("-patience is %v: want 0 or more", o.patience)
	}
	o.only = measurementNames()
	if bar != "" {
		var err error
		if o.bar, err = regexp.Compile(bar); err != nil {
			return o, fmt.Errorf("-bar is %q: want a regular expression: %w", bar, err)
		}
		if !slices.ContainsFunc(bars(), o.wants) {
			return o, fmt.Errorf("-bar is %q: no bar of docs/benchmarks.md matches", bar)
		}
		if !o.bars {
			return o, fmt.Errorf("-bar is %q and -bars is false: want one or the other", bar)
		}
		o.only = nil
	}
	if only != "" {
		o.only = strings.Split(only, ",")
		for _, name := range o.only {
			if !slices.Contains(measurementNames(), name) {
				return o, fmt.Errorf("-only has %q: want some of %s", name, strings.Join(measurementNames(), ", "))
			}
		}
	}
	return o, nil
}
