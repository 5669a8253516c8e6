package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// reply answers 200 with a value as JSON.
func (c *call) reply(v any) error {
	body, err := json.Marshal(v)
	if err != nil { // all answers are plain structs
		return err
	}
	c.send200(body)
	return nil
}

func (c *call) send200(body []byte) {
	c.w.Header()["Content-Type"] = isJSON
	c.send(http.StatusOK, body)
}

// send writes an answer. A client that left needs none, so a failed write is no error.
func (c *call) send(status int, body []byte) {
	h := c.w.Header()
	h["Content-Language"] = langNames[c.lang]
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.started = true
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body)
}
