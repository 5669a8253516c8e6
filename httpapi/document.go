package httpapi

import (
	"bytes"
	_ "embed"
)

//go:embed openapi.yaml
var openapi []byte

// documentFor is the description of the routes, with the prefix that they are below.
func documentFor(prefix string) []byte {
	if prefix == "" {
		prefix = "/"
	}
	return bytes.Replace(openapi, []byte("- url: "+DefaultPrefix+"\n"), []byte("- url: "+prefix+"\n"), 1)
}
