// Package webuitest drives the page in a real browser, headless Chromium. It is a module of its own, so that the library
// does not get the browser's client as a dependency.
package webuitest
