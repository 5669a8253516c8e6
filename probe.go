package sessioncleanup

import "context"

// Prober is implemented by stores that can try out whether tracking and privileges work, without leaving a trace.
type Prober interface {
	// Probe uses a row of each activity table, in a transaction that it rolls back, and checks whether that is noticed.
	// It also compares the privileges of the connection's role with those that runs need. The application's triggers on
	// those tables run.
	Probe(ctx context.Context) (Probe, error)
}

// Probe is the result of Prober.Probe.
type Probe struct {
	Unnoticed []string // activity tables whose rows are used without anything noticing it
	Untried   []string // activity tables that could not be tried, each with the reason
	Denied    []string // what runs do and the role may not, such as "DELETE on public.rooms"
}

// ProberOf finds the Prober of a store, like StoreAs. Its call fails with ErrUnavailable when the database does not
// answer within a minute.
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
