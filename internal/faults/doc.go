// Package faults proves what happens when processes freeze, networks fail, clocks are wrong and servers are replaced. Its tests
// take a minute, so they are a module of their own, which .ci/run runs; scripts/soak runs the longest of them.
package faults
