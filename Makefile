# Each target is one line over cargo. `make help` lists them.
CARGO ?= cargo

.PHONY: help demo test lint fmt bench evaluate fuzz ci

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: ## three organizations on this machine: analyze, publish, replicate, look up
	$(CARGO) run --release --locked -p flowlore-node --bin flowlore-node -- demo --once $(DEMO)

test: ## everything that needs only Rust, cc, make and git
	$(CARGO) test --workspace --locked

fmt: ## format the code
	$(CARGO) fmt --all

lint: ## formatting, clippy and rustdoc, warnings denied
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

bench: ## figures beside their floors and peers; BENCH_SCALE=0.1 for a tenth
	node/benches/run.sh

evaluate: ## the README's table anew: TRUTH=path/to/truth.tsv with its captures beside it
	$(CARGO) run --release --locked -p flowlore-node --bin flowlore-node -- evaluate $(TRUTH) --save node/analyzer/evaluation.json --readme README.md

ci: ## what every change passes
	.ci/run
