.PHONY: test demo lint bench

test: ## everything, as continuous integration runs it
	scripts/test

demo: ## the main job on a temporary SQLite database
	go run ./cmd/sessioncleanup demo

lint:
	scripts/lint

bench: ## measures and writes docs/benchmarks.md
	scripts/bench
