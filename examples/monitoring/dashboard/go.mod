module github.com/sessioncleanup/sessioncleanup/examples/monitoring/dashboard

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.22

replace github.com/sessioncleanup/sessioncleanup => ../../..
