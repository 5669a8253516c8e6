package httpapi_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/apitest"
)

func TestTheHandlerKeepsItsContract(t *testing.T) {
	t.Parallel()
	apitest.Run(t, nil)
}
