// Command gin mounts the handler in an engine of gin.
//
//	go run ./gin
//	curl -u ann: http://localhost:8080/api/session-cleanup/view
package main

import (
	"log"
	"net/http"

	"github.com/gin-gonic/gin"

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
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "hello") })
	r.Any(httpapi.DefaultPrefix+"/*path", gin.WrapH(api))
	return r
}
