package sessioncleanup

import (
	"context"
	"errors"
)

// OperationKind is the kind of an Operation.
type OperationKind string

// The kinds of operations. Batches are part of a run; calls of the store are part of a batch or a run, or of neither.
const (
	OperationRun   OperationKind = "run"
	OperationBatch OperationKind = "batch"
	OperationCall  OperationKind = "call"
)

// Operation describes what begins, for Config.Observe.
type Operation struct {
	Kind OperationKind
	// Name is what a batch does, such as "deleted"; the method of the Store that is called, such as "Sweep"; or for a run
	// "cleanup" or "dry run".
	Name  string
	Actor string // of a run
}

// Ended says how an operation ended.
type Ended struct {
	Err      error
	RunID    string // of a run or a batch; empty for a dry run
	Sessions int    // changed by a run or a batch
}

// Observe is called when an operation begins. The operation has the context that it returns, which must come from ctx,
// and calls the function once when it has ended. Both are called from the goroutines that use the Manager and must be
// quick.
type Observe func(ctx context.Context, o Operation) (context.Context, func(Ended))

// begin is the function itself, or one that observes nothing.
func (o Observe) begin(ctx context.Context, op Operation) (context.Context, func(Ended)) {
	if o == nil {
		return ctx, func(Ended) {}
	}
	return o(ctx, op)
}

// observed does the run or the dry run, and calls Config.Observe.
func (r *run) observed(ctx context.Context) error {
	do, op := r.execute, Operation{Kind: OperationRun, Name: "cleanup", Actor: r.m.actor()}
	if r.opts.DryRun {
		do, op.Name = r.simulate, "dry run"
	}
	ctx, end := r.m.observe.begin(ctx, op)
	err := errPanic // also when a panic passes through
	defer func() {
		ended := Ended{Err: err, RunID: r.cause.RunID}
		if errors.Is(err, errDone) { // another instance did it: nothing failed
			ended.Err = nil
		}
		if !r.opts.DryRun {
			ended.Sessions = r.result.Phases.Total().Done
		}
		end(ended)
	}()
	err = do(ctx)
	return err
}
