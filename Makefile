# Everything there is to do, from a fresh clone: each target sets up what it needs, in .venv and target/.

VENV := .venv
BIN := $(VENV)/bin
# Bytecode is kept whatever the shell says: hundreds of tests start the commands, and compiling the sources for
# each of them takes as long as the rest of its start.
export PYTHONDONTWRITEBYTECODE :=
ENV := VIRTUAL_ENV=$(CURDIR)/$(VENV) PATH="$(CURDIR)/$(BIN):$$PATH"

# What the native module is made of; the Python sources are used where they are.
NATIVE := Cargo.toml Cargo.lock pyproject.toml $(shell find rust -name '*.rs' -o -name Cargo.toml)

.PHONY: help demo test lint api bench fuzz clean
.DEFAULT_GOAL := help

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(VENV)/built ## charge a truck at a megawatt: a car and a charger on this machine
	$(BIN)/iso15118 loopback --service mcs

test: $(VENV)/built ## all tests, Python and Rust
	$(BIN)/pytest --numprocesses $$(( $$(nproc) + 2 )) --maxprocesses 16 --dist worksteal  # many tests wait for other processes
	cargo test --release --quiet

lint: $(VENV)/built ## formatting, style and types of both languages
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	cargo fmt --all --check
	cargo fmt --manifest-path rust/fuzz/Cargo.toml --check
	cargo fmt --check --manifest-path rust/firmware/Cargo.toml
	cargo fmt --check --manifest-path rust/c-abi/header/Cargo.toml
	cargo clippy --release --all-targets --quiet -- -D warnings

api: $(VENV)/built ## the API reference, as HTML in out/api
	$(BIN)/python -m tools.api_reference out/api

bench: $(VENV)/built ## measure, as JSON lines
	$(BIN)/python -m benchmarks

fuzz: $(VENV)/built ## hostile input and random walks, many more than in the tests
	ISO15118_FUZZ_ROUNDS=100000 ISO15118_WALKS=200000 $(BIN)/pytest tests/exi/test_hostile_input.py tests/exi/test_broken_streams.py tests/pair/test_random_walks.py
	$(BIN)/python -m tests.pair.contrary --count 2000
	$(BIN)/python -m tests.pair.odd_values --count 20000
	$(BIN)/python -m tests.pair.odd_settings --count 5000
	$(BIN)/iso15118 campaign examples/campaigns/fuzz.toml --out target/campaign-fuzz --afresh
	ISO15118_NEIGHBOURS=1000 ISO15118_SLAC_FUZZ=200000 $(BIN)/pytest tests/link/test_hostile_neighbour.py tests/link/test_fuzz.py
	ISO15118_FUZZ_ROUNDS=1000000 cargo test --release --quiet --package iso15118-exi --test hostile --test random -- --nocapture
	@echo "coverage-guided: every decoder of the EXI engine for half a minute (rust/fuzz/README.md)"
	$(BIN)/python -m tests.exi.fuzz --seconds 690 || test $$? -eq 2  # 2: no cargo-fuzz here, which it says

clean: ## remove what was built
	cargo clean
	rm -rf $(VENV)

# One profile (release) everywhere, so that OpenSSL is compiled once.
$(VENV)/built: $(VENV)/made $(NATIVE)
	@echo "building the native module; the first time takes a few minutes, most of it OpenSSL"
	$(ENV) PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/maturin develop --release --quiet --extras dev
	@touch $@

$(VENV)/made:
	@python=$$(tools/check-tools.sh) && set -x && "$$python" -m venv $(VENV) && \
	$(BIN)/pip install --quiet --disable-pip-version-check 'maturin>=1.7,<2'
	@touch $@
