// Command chi mounts the handler in a router of chi.
//
//	go run ./chi
//	curl -u ann: http://localhost:8080/api/session-cleanup/view
package main

import (
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"

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
	r := chi.NewRouter()
	r.Get("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) })
	r.Mount(httpapi.DefaultPrefix, api)
	return r
}
