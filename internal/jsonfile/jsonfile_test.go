package jsonfile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessioncleanup/sessioncleanup/internal/jsonfile"
)

type source struct {
	Table string `json:"table"`
	On    bool   `json:"on"`
}

type file struct {
	Table   string            `json:"table"`
	Sources []source          `json:"sources"`
	Words   map[string]string `json:"words"`
	Number  int               `json:"number"`
	Any     any               `json:"any"`
}

func TestAFileIsRead(t *testing.T) {
	t.Parallel()
	want := file{Table: "a", Sources: []source{{"b", true}, {"a", false}}, Words: map[string]string{"table": "x"}}
	const text = "{\"table\": \"a\",\r\n \"sources\": [{\"table\":\"b\",\"on\":true},{\"table\":\"a\"}], \"words\":{\"table\":\"x\"}}"
	for _, written := range []string{text, "\ufeff" + text + "\r\n", "\n\t " + text} {
		var got file
		if err := jsonfile.Decode(strings.NewReader(written), &got); err != nil {
			t.Fatalf("%q: %v", written, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", written, diff)
		}
	}
}

func TestAMistakeInAFileIsNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``: "it is empty: want one JSON object", "\ufeff\n": "it is empty",
		`[]`: `it begins with "[]": want one JSON object`, `null`: "want one JSON object", `"x"`: "want one JSON object", "\xff\xfe{\x00": "want one JSON object",
		`{"table": "a"} x`:                             `there is more text after the object, "x"`,
		`{"table": "a"}{}`:                             "more text after the object",
		`{"table": "a"`:                                "it ends too early",
		"{\n\"table\": 'a'}":                           "line 2 is not valid JSON",
		"{\n\"table\": 5}":                             "line 2: table is a JSON number: want text in quotes",
		`{"sources": {}}`:                              "sources is a JSON object: want a list",
		`{"sources": [5]}`:                             "is a JSON number: want an object",
		`{"sources": [{"on": "yes"}]}`:                 "on is a JSON string: want true or false",
		`{"number": "5"}`:                              "number is a JSON string: want a number",
		`{"number": 1e400}`:                            "number is a JSON number 1e400: want a number",
		`{"words": []}`:                                "words is a JSON array: want an object",
		`{"tabel": "a"}`:                               `unknown field "tabel"`,
		`{"table": "a", "table": "b"}`:                 `the field "table" is there twice`,
		`{"table": "a", "Table": "b"}`:                 `the field "Table" is there twice`,
		`{"sources": [{"table": "a", "table": "b"}]}`:  `the field "table" is there twice`,
		`{"any": [{"x": {"y": [1]}, "x": 2}]}`:         `the field "x" is there twice`,
		`{"words": {"a": "words", "b": "x", "a": ""}}`: `the field "a" is there twice`,
	} {
		if err := jsonfile.Decode(strings.NewReader(text), &file{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error is %v, want %q in it", text, err, want)
		}
	}
}
