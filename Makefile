# make demo   start a control plane, an AWS emulator and the operator, apply examples/, call their URLs, delete all, stop.
#             KEEP=1 leaves it up; EXAMPLES="potato root-get" takes only these
# make test   what CI runs first
# make test-gitops  what CI runs then: the examples, and what else Git does, under a real Argo CD
# make up     the testbed with the operator, for hands-on use: . .testbed/env; GITOPS=1 adds an Argo CD and a repository for it
# make down   stop it
# make record record anew the statuses that prove docs/conditions.md: the end-to-end suite, every row of it seen
# make conformance  AWS's behaviours on the AWS in memory, on the emulator and, with AWS_PROFILE=…, on AWS itself, where all that
#             is made is named stepgate-conformance-* and removed
# make torture SECONDS=60 SEED=1  random manifests, edits, faults, drift and deaths of the operator, against an AWS and an API
#             server in memory; ends with one line of JSON. A failure shrinks, and its seed replays exactly
# make nightly  what make test has no time for: each effect and each drift in every place, the seeds of the day, the budget at full
#             size, an hour of random lives, licences and advisories; hours in all. DAY=20261122 replays a day
# make deny   licences, sources, banned crates and advisories of the dependencies, these from GitHub; CHECKS="bans licenses sources"
#             checks only that
# make bench  what each example costs: calls to AWS, time, memory; a table, and JSON in target/bench.json
#
# up and demo take AWS_ENDPOINT_URL=… (use another AWS endpoint instead of starting one) and RUN_ARGS=… (added to `stepgate run`).

MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.PHONY: help build demo test test-gitops record up down bench conformance torture nightly deny

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
	cargo clippy --workspace --test torture -- -D warnings
	# The end-to-end tests wait more than they work.
	RUST_TEST_THREADS=8 cargo test --workspace
	# The real reconcilers: every example crashed at every effect and carried out by two operators at once, every drift, a few
	# random lives.
	cargo test --workspace --test torture

test-gitops:
	cargo clippy --workspace --test gitops -- -D warnings
	RUST_TEST_THREADS=8 cargo test --workspace --test gitops -- --show-output

# Where tests/conditions looks for them.
STATUSES = charts/stepgate/files/argocd/stepgate.dev/_/testdata
record:
	rm -rf $(STATUSES)
	STEPGATE_RECORD_STATUSES=$(STATUSES) RUST_TEST_THREADS=8 cargo test --workspace --test e2e
	cargo test --workspace --test conditions

up: build
	@$(TESTBED) up $(if $(GITOPS),--gitops) $(RUN)

down:
	@test ! -x $(TESTBED) || $(TESTBED) down

bench: build
	@$(TESTBED) bench

conformance:
	$(if $(AWS_PROFILE),AWS_PROFILE='$(AWS_PROFILE)') cargo test --workspace --test conformance --test recorded -- --nocapture

SECONDS ?= 60
SEED ?= 1
torture:
	@rm -f target/torture.json
	TORTURE_SECONDS=$(SECONDS) TORTURE_SEED=$(SEED) TORTURE_REPORT=target/torture.json \
		cargo test --workspace --test torture random:: -- --nocapture; status=$$?; cat target/torture.json && exit $$status

DAY ?= $(shell date +%Y%m%d)
nightly:
	CRASH_ALL=1 DRIFT_ALL=1 SEED=$(DAY) CRASH_SEEDS=20 RACE_SEEDS=10 cargo test --workspace --test torture
	STEPGATE_SIMULATION=full cargo test --workspace --lib simulation
	PROCESS_SEED=$(DAY) cargo test --workspace --test e2e process::
	$(MAKE) torture SECONDS=3600 SEED=$(DAY)
	$(MAKE) deny

DENY_ROOT = $${CARGO_TARGET_DIR:-target}/cargo-deny
deny:
	@command -v cargo-deny > /dev/null || cargo install --quiet --locked --debug --root "$(DENY_ROOT)" cargo-deny@0.20.2
	PATH="$(DENY_ROOT)/bin:$$PATH" cargo deny check $(CHECKS)
