# make demo   start a control plane, an AWS emulator and the operator, apply examples/, call their URLs, delete all, stop.
#             KEEP=1 leaves it up; EXAMPLES="potato root-get" takes only these
# make test   what CI runs
# make up     the testbed with the operator, for hands-on use: . .testbed/env; GITOPS=1 adds an Argo CD and a repository for it
# make down   stop it
# make deny   licences, sources, banned crates and advisories of the dependencies (needs cargo-deny and the network)
# make bench  what each example costs: calls to AWS, time, memory; a table, and JSON in target/bench.json
#
# up and demo take AWS_ENDPOINT_URL=… (use another AWS endpoint instead of starting one) and RUN_ARGS=… (added to `stepgate run`).

MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.PHONY: help build demo test up down bench deny

# Only from make's command line: the environment has AWS_ENDPOINT_URL after `. .testbed/env`.
ifeq ($(origin AWS_ENDPOINT_URL),command line)
ENDPOINT := --aws-endpoint-url '$(AWS_ENDPOINT_URL)'
endif
TESTBED = "$${CARGO_TARGET_DIR:-target}/debug/testbed"
RUN = $(ENDPOINT) --run-args '$(RUN_ARGS)'

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

build:
	cargo build --workspace

demo: build
	@$(TESTBED) demo $(if $(KEEP),--keep) $(RUN) $(EXAMPLES)

test:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	# The end-to-end tests wait more than they work.
	RUST_TEST_THREADS=8 cargo test --workspace

up: build
	@$(TESTBED) up $(if $(GITOPS),--gitops) $(RUN)

down:
	@test ! -x $(TESTBED) || $(TESTBED) down

bench: build
	@$(TESTBED) bench

deny:
	cargo deny check
