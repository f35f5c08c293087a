# The front door.  `make help` lists what there is; CONTRIBUTING.md says more.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo serve test test-full test-ha lint bench fuzz certs toolchain binaries release static deb images

phase := tests/phase.sh
target := $(abspath $(or $(CARGO_TARGET_DIR),target))
machine := $(shell uname -m)
export BULLA_BIN_DIR ?= $(target)/debug

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: binaries ## build everything and show it working: sign, verify, restart, tamper; leaves nothing behind
	@demo/run.sh

serve: binaries ## run server and signer in ./.serve until Ctrl-C; prints what to set for docker and bulla
	@demo/serve.sh

test: binaries ## Rust tests, then the stories with real clients (as root on Debian 12: installs what they need)
	@$(phase) "peers" bash -c 'tests/install-peers.sh || { [ $$? = 3 ] && [ "$${CI:-}" != true ]; }'
	@$(phase) "Rust tests" tests/with-engines.sh cargo test --workspace --locked
	@$(phase) "demonstration" demo/run.sh
	@$(phase) "demonstration without docker's registry" env DEMO_REGISTRY=stand-in demo/run.sh
	@$(phase) "acceptance with real clients" tests/acceptance/run.sh
	@$(phase) "bulla beside docker and notary, and in their place" tests/client-matrix.sh
	@$(phase) "faults that a client meets" tests/client-faults/run.py
	@$(phase) "pairings with the reference" tests/pairing/run.sh
	@$(phase) "acceptance on the pairings" tests/pairing/acceptance.sh
	@$(phase) "the reference's databases taken over" tests/takeover/run.sh
	@$(phase) "keys on a token" tests/token/run.sh
	@$(phase) "replicas on one database" tests/replicas/run.sh
	@$(phase) "repositories listed" tests/listing.sh
	@$(phase) "put back from a backup" tests/restore.sh
	@$(phase) "events told to a receiver that was down" tests/webhooks.sh sqlite
	@$(phase) "a registry and the server on one host name" tests/one-host.sh
	@$(phase) "alerts" tests/monitoring.sh rules
	@VERDICTS_SEED=$(or $(VERDICTS_SEED),$(if $(VERDICTS_COUNT),,6)) $(phase) "same verdict as the reference" tests/verdicts.sh
	@$(phase) "faults under load" tests/faults/run.sh $(or $(FAULTS),replica_killed:postgres database_restarted:mariadb)

# FUZZ_RUNS executions a target, two at once, KILL_ROUNDS of kill -9, RUNS of the acceptance harness
# with each docker CLI on each engine, VERDICTS_COUNT uploads of a new seed, every one of FAULTS, bulla IN_PLACE of docker's
# and notary's commands against these servers
test-full: export FUZZ_RUNS ?= 10000000
test-full: export FUZZ_JOBS ?= 2
test-full: export KILL_ROUNDS ?= 50
test-full: export RUNS ?= 3
test-full: export EVERY_PAIR ?= 1
test-full: export VERDICTS_COUNT ?= 5000
test-full: export FAULTS ?= all
test-full: export IN_PLACE ?= reference bulla
test-full: export SLOW ?= 1
test-full: test fuzz ## make test with more rounds, fuzzing, the previous release (FUZZ_RUNS, KILL_ROUNDS, RUNS, VERDICTS_COUNT)
	@$(phase) "the previous release on this one's databases" tests/upgrade/previous-build.sh
	@REWRAP_KEYS=10000 REWRAP_SIGNING=100 REWRAP_RATE=100 $(phase) "10,000 keys sealed anew under load" \
	  tests/with-engines.sh cargo test --release --locked -p bulla-signer --test wire rewrap -- --nocapture
	@for engine in postgres mariadb; do \
	  VERDICTS_COUNT=500 VERDICTS_ENGINE=$$engine $(phase) "same verdict as the reference, on $$engine" tests/verdicts.sh; \
	done
	@$(phase) "alerts on a real Prometheus" tests/monitoring.sh
	@$(phase) "the description of the API" tests/openapi.sh
	@$(phase) "the console in a browser" tests/console.sh
	@$(phase) "packages on a clean Debian" tests/packages.sh
	@$(phase) "the Helm chart" tests/chart.sh
	@$(phase) "static programs" $(MAKE) static
	@BULLA_STATIC_DIR=$(target)/release-static $(phase) "images and the compose file" tests/images.sh
	@LISTING_REPOSITORIES=10000 $(phase) "10,000 repositories listed" tests/listing.sh
	@$(phase) "events told to a receiver that was down, by two servers" tests/webhooks.sh postgres mariadb
	@WEBHOOKS_DOWN_SECONDS=3600 $(phase) "events told to a receiver that was down for an hour" tests/webhooks.sh postgres
	@$(phase) "what ends soon, told" tests/webhooks.sh expiry
	@PRUNE_PUBLISHES=10000 $(phase) "10,000 publishes into one repository, pruned" tests/prune.sh
	@$(phase) "tests that must notice a check taken out" tests/with-engines.sh tests/mutations/run.py

test-ha: binaries ## replicas (ROUNDS publishes on each engine); a PostgreSQL pair and a Galera cluster whose parts are killed
	@$(phase) "replicas on one database" tests/replicas/run.sh
	@$(phase) "something dies during publishes" tests/ha/run.sh

lint: toolchain ## format, clippy, documentation and the rules of tests/lint
	@broken=; part() { $(phase) "$$@" || broken=1; }; \
	part "format" cargo fmt --all --check; \
	part "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings; \
	part "documentation" env RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked --quiet; \
	part "rules" tests/lint/rules.sh; \
	part "rules can fail" tests/lint/rules-selftest.sh; \
	[ -z "$$broken" ]

bench: export BULLA_BIN_DIR := $(target)/release
bench: toolchain ## Bulla beside the reference; writes docs/performance.md
	@cargo build --workspace --locked --bins --release
	@bench/run.sh
	@bench/publish.sh
	@bench/growth.sh
	@bench/footprint.sh
	@bench/signer.sh
	@for tags in 10000 1000 100 100000; do BENCH_TAGS=$$tags bench/client.sh || exit 1; done
	@bench/slow.sh
	@bench/core.sh
	@bench/hour.sh $(BENCH_MINUTES)

fuzz: toolchain ## each fuzz target for FUZZ_SECONDS (default 60)
	@fuzz/run.sh

certs: binaries ## a development PKI in certs-dev/out, which must not exist
	@$(BULLA_BIN_DIR)/certs-dev certs-dev/out $(foreach host,$(HOSTS),--host $(host))

release: deb static ## Debian packages and static programs, in target/packages and target/release-static

deb: toolchain ## Debian packages in target/packages, of a release build
	@cargo build --release --workspace --locked --bins
	@rm -rf $(target)/packages
	@BULLA_BIN_DIR=$(target)/release packaging/debian/build.sh $(target)/packages
	@cd $(target)/packages && sha256sum *.deb | tee SHA256SUMS

# another directory of the target, so that flags of one build do not undo the other
static: toolchain ## static programs in target/release-static
	@RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target $(machine)-unknown-linux-gnu \
	  -p bulla-server -p bulla-signer -p bulla --bins
	@mkdir -p $(target)/release-static
	@cd $(target)/$(machine)-unknown-linux-gnu/release && install -m 755 bulla-server bulla-signer bulla $(target)/release-static/
	@cd $(target)/release-static && for program in bulla-server bulla-signer bulla; do \
	  ! readelf -l $$program | grep -q INTERP || { echo "$$program is not static"; exit 1; }; done; sha256sum bulla-server bulla-signer bulla | tee SHA256SUMS

images: static ## images of the static programs, with the docker that is there
	@BULLA_STATIC_DIR=$(target)/release-static packaging/docker/build.sh

toolchain:
	@tests/lint/toolchain.sh

binaries: toolchain
	@cargo build --workspace --locked --bins
