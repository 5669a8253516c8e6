package sessioncleanup

import "context"

// Prober is implemented by stores that can try whether they work, without leaving a trace.
type Prober interface {
	// Probe uses a row of each activity table, in a transaction that it rolls back, and looks whether that is noticed. It
	// compares what the role of the connection may do with what runs do. Triggers of the application on those tables run.
	Probe(ctx context.Context) (Probe, error)
}

// Probe is what a Prober found.
type Probe struct {
	Unnoticed []string // activity tables whose rows are used without anything noticing it
	Untried   []string // activity tables that could not be tried, each with the reason
	Denied    []string // what runs do and the role may not, such as "DELETE on public.rooms"
}

// ProberOf finds the Prober of a store, like StoreAs. Its call ends after a minute, as ErrUnavailable, when the database
// does not answer.
func ProberOf(s Store) (Prober, bool) {
	prober, ok := StoreAs[Prober](s)
	if !ok {
		return nil, false
	}
	return boundedProber{prober}, true
}

// boundedProber is a Prober whose call ends.
type boundedProber struct{ Prober }

func (b boundedProber) Probe(ctx context.Context) (Probe, error) {
	return within(ctx, readTimeout, b.Prober.Probe)
}
