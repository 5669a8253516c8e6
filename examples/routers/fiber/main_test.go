package main

import (
	"net"
	"testing"

	"github.com/gofiber/fiber/v3"

	"github.com/sessioncleanup/sessioncleanup/examples/routers/internal/demo"
)

func TestTheHandlerWorksInThisRouter(t *testing.T) {
	api, err := demo.API()
	if err != nil {
		t.Fatal(err)
	}
	app := routes(api)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}) }() // ends with the listener
	t.Cleanup(func() { _ = listener.Close() })
	demo.Test(t, "http://"+listener.Addr().String())
}
