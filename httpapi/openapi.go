package httpapi

import (
	"bytes"
	"cmp"
	_ "embed"
	"net/http"
)

//go:embed openapi.yaml
var openapi []byte

// documentFor is the OpenAPI document with the prefix that the routes are below.
func documentFor(prefix string) []byte {
	return bytes.Replace(openapi, []byte("- url: "+DefaultPrefix+"\n"), []byte("- url: "+cmp.Or(prefix, "/")+"\n"), 1)
}

// openapi serves GET /openapi.yaml.
func (c *call) openapi() error {
	c.w.Header().Set("Content-Type", "application/yaml")
	c.send(http.StatusOK, c.document)
	return nil
}
