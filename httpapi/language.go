package httpapi

import (
	"strconv"
	"strings"
)

// lang is a language of messages.
type lang int8

const (
	english lang = iota
	french
	languages // the number of them
)

var langNames = [languages][]string{english: {"en"}, french: {"fr"}}

// text is a message in every language, in the form of fmt.
type text [languages]string

// languageOf chooses the language by the Accept-Language headers (RFC 9110, section 12.5.4): English unless French is
// rated higher, or as high and named first.
func languageOf(headers []string) lang {
	best, quality := english, 0.0
	for _, header := range headers {
		for header != "" {
			var part string
			part, header, _ = strings.Cut(header, ",")
			tag, params, _ := strings.Cut(part, ";")
			tag, _, _ = strings.Cut(strings.TrimSpace(tag), "-")
			var l lang
			switch {
			case strings.EqualFold(tag, "fr"):
				l = french
			case strings.EqualFold(tag, "en"), tag == "*":
				l = english
			default:
				continue
			}
			if q := qualityOf(params); q > quality {
				best, quality = l, q
			}
		}
	}
	return best
}

// qualityOf reads "q=0.8"; 1 without it, 0 when it cannot be read.
func qualityOf(params string) float64 {
	name, value, found := strings.Cut(strings.TrimSpace(params), "=")
	if !found || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}
