// Command fiber mounts the handler in an app of fiber, which is not built on net/http.
//
//	go run ./fiber
//	curl -u ann: http://localhost:8080/api/session-cleanup/view
package main

import (
	"log"
	"net/http"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"

	"github.com/sessioncleanup/sessioncleanup/examples/routers/internal/demo"
	"github.com/sessioncleanup/sessioncleanup/httpapi"
)

func main() {
	api, err := demo.API()
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(routes(api).Listen("localhost:8080"))
}

// routes is the app of a service, with the handler in it.
func routes(api http.Handler) *fiber.App {
	app := fiber.New()
	app.Get("/", func(c fiber.Ctx) error { return c.SendString("hello") })
	app.All(httpapi.DefaultPrefix+"/*", adaptor.HTTPHandler(api))
	return app
}
