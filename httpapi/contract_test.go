package httpapi_test

import (
	"testing"

	"github.com/sessioncleanup/sessioncleanup/internal/apitest"
	"github.com/sessioncleanup/sessioncleanup/internal/thorough"
)

func TestTheHandlerKeepsItsContract(t *testing.T) {
	t.Parallel()
	thorough.Only(t, thorough.Suites) // internal/openapitest
	apitest.Run(t, nil)
}
