package main

import (
	"net/http/httptest"
	"testing"

	"github.com/sessioncleanup/sessioncleanup/examples/routers/internal/demo"
)

func TestTheHandlerWorksInThisRouter(t *testing.T) {
	api, err := demo.API()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(routes(api))
	t.Cleanup(server.CloseClientConnections)
	demo.Test(t, server.URL)
}
