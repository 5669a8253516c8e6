.PHONY: test demo lint bench

test: ## what must hold before a change is merged
	scripts/test

demo: ## the main job on a temporary SQLite database
	go run ./cmd/sessioncleanup demo

lint:
	scripts/lint

bench: ## measures and writes docs/benchmarks.md
	scripts/bench
