package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// reply sends a 200 with a value as JSON.
func (c *call) reply(v any) error {
	body, err := json.Marshal(v)
	if err != nil { // all of them are plain structs
		return err
	}
	c.replyJSON(body)
	return nil
}

// replyJSON sends a 200 with JSON.
func (c *call) replyJSON(body []byte) {
	c.w.Header()["Content-Type"] = isJSON
	c.send(http.StatusOK, body)
}

// send writes a response. A failed write is no error: the client has disconnected.
func (c *call) send(status int, body []byte) {
	if c.endTurn != nil {
		c.endTurn() // a client that receives slowly keeps no others of its principal waiting
	}
	if status < http.StatusBadRequest && c.m != nil {
		c.outage.over(c.r.Context(), c.Logger)
	}
	h := c.w.Header()
	h["Content-Language"] = langNames[c.lang]
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.started = true
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body)
}
