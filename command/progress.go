package command

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/sessioncleanup/sessioncleanup"
)

// progress shows how far a run has come, as a bar on a terminal.
type progress struct {
	out   io.Writer
	tty   bool          // out is a terminal
	plain bool          // without a terminal, print lines instead of nothing
	after time.Duration // shorter runs show no bar
	bar   *progressbar.ProgressBar
	shown int // tenths of the total in the last line
}

func newProgress(out io.Writer, tty bool) *progress {
	return &progress{out: out, tty: tty, after: 300 * time.Millisecond}
}

// show is a Run's Progress.
func (b *progress) show(p sessioncleanup.Progress) {
	switch {
	case b.tty && (b.bar != nil || p.Elapsed >= b.after):
		b.draw(p)
	case !b.tty && b.plain && p.Total > 0:
		if tenths := 10 * p.Done / p.Total; tenths > b.shown {
			b.shown = tenths
			_, _ = fmt.Fprintf(b.out, "  %3d%%  %s of %s\n", 100*p.Done/p.Total, number(p.Done), sessionCount(p.Total)) // as draw
		}
	}
}

func (b *progress) draw(p sessioncleanup.Progress) {
	if b.bar == nil {
		b.bar = progressbar.NewOptions(p.Total, progressbar.OptionSetWriter(b.out), progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionSetItsString("sessions"), progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(50*time.Millisecond), progressbar.OptionSetWidth(30), progressbar.OptionShowElapsedTimeOnFinish())
	}
	if p.Done > p.Total { // more became due since the run began
		b.bar.ChangeMax(p.Done)
	}
	b.bar.Describe("  " + string(p.Action))
	_ = b.bar.Set(p.Done) // a bar that cannot be drawn stops nothing
}

// finish leaves the bar and continues below it. Without a bar it does nothing.
func (b *progress) finish() {
	if b != nil && b.bar != nil {
		_ = b.bar.Exit()
		_, _ = fmt.Fprintln(b.out)
	}
}
