package failures_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup/internal/failures"
)

func TestALongOutageIsLoggedLessAndLessOften(t *testing.T) {
	t.Parallel()
	var count failures.Count
	var logged []int
	for range 100 {
		if count.Add() {
			logged = append(logged, int(count))
		}
	}
	if diff := cmp.Diff([]int{1, 2, 4, 8, 16, 32, 64}, logged); diff != "" {
		t.Errorf("logged failures (-want +got):\n%s", diff)
	}
	count = 0
	if !count.Add() {
		t.Error("the first failure after a success is not logged")
	}
}
