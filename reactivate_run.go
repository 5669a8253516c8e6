package sessioncleanup

import (
	"context"
	"errors"

	"github.com/sessioncleanup/sessioncleanup/internal/invalid"
)

// ReactivateRun reverses the deactivations of one run: it reactivates the sessions that have been inactive since
// exactly that run. In the result, Due counts the run's deactivations, Done those that were reversed, and Skipped the
// sessions that were changed or deleted since. ErrNotFound means that the log has no deactivation by that run.
func (m *Manager) ReactivateRun(ctx context.Context, runID string) (PhaseResult, error) {
	const operation = "reactivate the sessions of run"
	result := PhaseResult{Action: ActionReactivated}
	if err := m.allowAll(operation); err != nil {
		return result, err
	}
	if runID == "" {
		return result, invalid.Errorf("%s: run id is empty: want the id of a run, as in its events", operation)
	}
	q := EventQuery{RunID: runID, Actions: []Action{ActionDeactivated}, Limit: MaxPage}
	change := Change{Action: ActionReactivated, Active: On, Cause: m.cause("reverses run " + runID)}
	for e, err := range m.eachEvent(ctx, q, readTimeout) {
		if err != nil {
			return result, failed(operation, runID, err)
		}
		unchanged := func(s Session) bool { return !s.Active && s.DeactivatedAt.Equal(e.At) }
		for _, ref := range e.Sessions {
			result.Due++
			_, err := m.store.Update(ctx, Target{ID: ref.ID, If: unchanged}, change)
			switch {
			case err == nil:
				result.Done++
			case errors.Is(err, ErrChanged), errors.Is(err, ErrNotFound):
				result.Skipped++
			default:
				return result, failed(operation, runID, err)
			}
		}
	}
	if result.Due == 0 {
		return result, failed(operation, runID, ErrNotFound)
	}
	m.log.InfoContext(ctx, operation, "run_id", runID, "actor", m.actor(), "reactivated", result.Done, "skipped", result.Skipped)
	return result, nil
}
