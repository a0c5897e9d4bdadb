# Written for GNU make 3.81 too, which macOS still has. `make` alone prints the list of targets.
BIN = .venv/bin
# Three processes keep two cores busy: they wait for browsers and for what they start. tests/conftest.py says which files
# stay in one of them.
PYTEST_ARGS = -n 3 --dist loadscope --no-loadscope-reorder

.PHONY: help install run test lint format chaos-smoke chaos-race chaos-rescore bench-rescoring bench-replay bench-import bench-hostile bench-intake bench-scoring bench-queue bench-bulk screenshots bench-simulator bench-floods lock clean

help:
	@echo 'make run           install what is missing and serve on http://127.0.0.1:8000 (PORT=8001 for another port)'
	@echo '                   DETOXIFY=1 adds the Detoxify scorer everywhere, DETOXIFY=0 leaves it out'
	@echo 'make install       only install'
	@echo 'make test          linters, types and all tests (installs the test tools)'
	@echo 'make lint          ruff and mypy only'
	@echo 'make format        let ruff put the sources in order'
	@echo 'make chaos-smoke   kill processes at random under load and count what was lost'
	@echo 'make chaos-race    let two and thirty-two moderators decide on the same comments in the same moment'
	@echo 'make chaos-rescore [ROWS=100000]   kill, pause, resume and cancel a rescore run a hundred times and count'
	@echo 'make bench-rescoring [ROWS=1000000]   what judging the archive again costs, live comments beside it, two hosts'
	@echo 'make bench-replay DATA=FOLDER   send archived comments through the signed webhook and time them'
	@echo 'make bench-import ROWS=1000000   import that many made-up comments on each database, kill it, resume it, time it'
	@echo 'make bench-intake   what taking a comment in costs, beside a bare insert and Isso; and whether waiting slows it'
	@echo 'make bench-scoring [DATA=FOLDER] [ROWS=2000]   what judging costs, beside the package detoxify and the machine'
	@echo 'make bench-simulator [ROWS=100000]   what a change of marks and of word lists takes in the policy simulator'
	@echo 'make bench-floods   near-duplicates among a million texts of thirty days, and bursts, looked up'
	@echo 'make bench-hostile   tell healthy sites beside hostile ones and compare'
	@echo 'make bench-queue   what the queue costs with a million comments held of ten million; ROUNDS=100 requests of each kind'
	@echo 'make bench-bulk   a bulk job over 100,000 comments beside live traffic, killed three times'
	@echo 'make screenshots   pictures of every page into docs/screens (needs chromium)'
	@echo 'make lock          write deploy/constraints.txt anew from .venv'
	@echo 'make clean         remove .venv and all caches; the data folder stays'

install:
	@sh deploy/install.sh run

run:
	@sh deploy/install.sh run
	@$(BIN)/moderation up

test: lint
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint:
	@sh deploy/install.sh test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format:
	@sh deploy/install.sh test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

chaos-smoke:
	@sh deploy/install.sh test
	$(BIN)/python -m bench.chaos_smoke

chaos-race:
	@sh deploy/install.sh test
	$(BIN)/python -m bench.chaos_race

chaos-rescore:
	@sh deploy/install.sh test
	$(BIN)/python -m bench.chaos_rescore --rows $(or $(ROWS),100000)

bench-rescoring:
	@sh deploy/install.sh test
	$(BIN)/python -m bench.rescoring --rows $(or $(ROWS),1000000)

bench-replay:
	@test -n "$(DATA)" || { echo 'Name the folder with the archived comments: make bench-replay DATA=FOLDER' >&2; exit 2; }
	@sh deploy/install.sh test
	$(BIN)/python -m bench.replay "$(DATA)"

bench-import:
	@sh deploy/install.sh test
	$(BIN)/python -m bench.importing --rows $(or $(ROWS),1000000)

bench-intake:
	@sh deploy/install.sh test
	@test -x .venv-isso/bin/python || python3 -m venv .venv-isso
	@.venv-isso/bin/python -m pip --disable-pip-version-check install --quiet isso waitress
	$(BIN)/python -m bench.intake --isso .venv-isso/bin/python
	$(BIN)/python -m bench.waiting

bench-scoring:
	@sh deploy/install.sh test
	$(BIN)/python -m bench.scoring --rows $(or $(ROWS),2000) $(if $(DATA),--data "$(DATA)")

bench-simulator:
	@sh deploy/install.sh test
	$(BIN)/python -m bench.simulator --comments $(or $(ROWS),100000)

bench-floods:
	@sh deploy/install.sh test
	$(BIN)/python -m bench.floods

bench-hostile:
	@sh deploy/install.sh test
	$(BIN)/python -m bench.hostile

bench-queue:
	@sh deploy/install.sh test
	$(BIN)/python -m bench.queue --rounds $(or $(ROUNDS),100)

bench-bulk:
	@sh deploy/install.sh test
	$(BIN)/python -m bench.bulk

screenshots:
	@sh deploy/install.sh test
	$(BIN)/python -m docs.make_screenshots

# pip freeze prints the pins of this very platform: torch loses its build, CUDA's packages do not belong in the list.
lock:
	@sh deploy/install.sh test
	@{ echo '# Every version of a tested installation; made by `make lock`. torch without its build: one for the CPU fits too.'; \
	  $(BIN)/python -m pip --disable-pip-version-check freeze --all --exclude-editable \
	  | sed -e '/^pip==/d' -e '/^nvidia-/d' -e '/^triton==/d' -e 's/+cpu$$//' | LC_ALL=C sort -f; } > deploy/constraints.new
	@mv deploy/constraints.new deploy/constraints.txt
	@echo 'deploy/constraints.txt is written; run `make test` before you commit it.'

clean:
	rm -rf .venv .venv-isso build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
