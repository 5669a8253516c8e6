package archive

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sessioncleanup/sessioncleanup"
)

// Row are the values of an archived row by column, each as value reads it.
func Row(data json.RawMessage, value func(json.RawMessage) (any, error)) (map[string]any, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("a row of the archive cannot be read: %w", err)
	}
	row := make(map[string]any, len(fields))
	for name, field := range fields {
		v, err := value(field)
		if err != nil {
			return nil, err
		}
		row[name] = v
	}
	return row, nil
}

// ErrUndo ends the transaction of a restore that is only tried, or that something stands in the way of.
var ErrUndo = errors.New("undo")

// Restored is the answer of a restore whose transaction ended with an error.
func Restored(out sessioncleanup.Restored, err error) (sessioncleanup.Restored, error) {
	switch {
	case errors.Is(err, ErrUndo):
		if len(out.Obstacles) > 0 {
			out = sessioncleanup.Restored{Obstacles: out.Obstacles}
		}
		return out, nil
	case err != nil:
		return sessioncleanup.Restored{}, err
	}
	return out, nil
}
