// Package bench measures this project side by side with handwritten SQL, in one run on one machine, and writes
// docs/benchmarks.md with its pictures and docs/benchmarks/results.json. scripts/bench runs it. It is written as a test, so
// that databases end with the step that needs them; the module's own test is the same measurement at a small size.
package bench
