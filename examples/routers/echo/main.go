// Command echo mounts the handler in a router of echo.
//
//	go run ./echo
//	curl -u ann: http://localhost:8080/api/session-cleanup/view
package main

import (
	"log"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sessioncleanup/sessioncleanup/examples/routers/internal/demo"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
)

func main() {
	api, err := demo.API()
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", routes(api)))
}

// routes is the router of a service, with the handler in it.
func routes(api http.Handler) http.Handler {
	e := echo.New()
	e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, "hello") })
	e.Any(httpapi.DefaultPrefix+"/*", echo.WrapHandler(api))
	return e
}
