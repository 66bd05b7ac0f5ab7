# One command each; every command first makes .venv where it is missing or older than the pinned versions.
PYTHON  ?= python3
PROFILE ?=
JOBS    ?= 2
CONSTRAINTS ?= constraints.txt

.DEFAULT_GOAL := help
.PHONY: help report test fuzz notebooks site bench size lab lint clean

VENV  := .venv
STAMP := $(VENV)/.installed
SITE  := $(VENV)/.installed-site
RUN   := $(VENV)/bin/python
# In the C locale Python can't read a path with an accent, not even to start.
ifneq (,$(filter C POSIX,$(LC_ALL)))
export LC_ALL := C.UTF-8
endif
# Small networks are fastest on one thread each; two processes use two cores.
ONE   := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

help:
	@echo "make report     run every notebook here and build the report and the run sheet (PDF): quick, at most 6 minutes"
	@echo "make test       unit tests, documentation examples and all notebooks in their quick profile: about 10 minutes"
	@echo "make fuzz       damage 2 000 kept files, and read them: a minute"
	@echo "make notebooks  rebuild the committed notebooks with their outputs (standard profile, real data): up to 5 minutes each"
	@echo "make site       the notebooks and the reference as HTML pages to browse offline, in build/site: half a minute"
	@echo "make bench      measure the speed ratios and print them as a table: about 10 minutes on quiet cores"
	@echo "make size       lines, files and public names of the library and of the report's studies: half a minute"
	@echo "make lab        open the first notebook in JupyterLab"
	@echo "make lint       check style, layout, spelling, documentation and types of the sources: seconds"
	@echo "make clean      remove what a run leaves behind (never .venv, data, trainings or stored results)"
	@echo
	@echo "The first command also installs everything into .venv (a few minutes)."
	@echo "Variables: PROFILE=quick|standard   PYTHON=python3.12   JOBS=2   LNESCAPE_DATA=folder of the full data sets"
	@echo "           CONSTRAINTS=   (empty: the newest versions that pyproject.toml allows)"

$(STAMP): pyproject.toml $(CONSTRAINTS)
	@echo "Installing lnescape and its tested dependencies into $(VENV) (a few minutes, about 2 GB) ..."
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install -qq --disable-pip-version-check $(addprefix --constraint ,$(CONSTRAINTS)) --editable ".[notebooks,report,test]"
	@$(RUN) -m ipykernel install --sys-prefix --name python3 --display-name "Python 3 (lnescape)" > /dev/null
	@touch $@

report: $(STAMP)
	@$(ONE) $(RUN) -m report.build --profile "$(or $(PROFILE),quick)" --jobs $(JOBS)

test: $(STAMP)
	@echo "Running unit tests, documentation examples and notebooks, $(JOBS) at a time (about 10 minutes) ..."
	@$(ONE) LNESCAPE_PROFILE=quick $(RUN) -m pytest --numprocesses $(JOBS) --dist loadfile \
		--durations 10 --durations-min 15 --nbval-lax --nbval-current-env --nbval-cell-timeout=300 \
		lnescape report/studies tests $(wildcard notebooks/*.ipynb)

fuzz: $(STAMP)
	@$(ONE) $(RUN) -m tests.fuzz 2000

notebooks: $(STAMP)
	@$(ONE) $(RUN) -m notebooks.build --profile "$(or $(PROFILE),standard)" --jobs $(JOBS)

# Only the site needs these packages, so that no other command waits for them.
$(SITE): $(STAMP)
	@$(RUN) -m pip install -qq --disable-pip-version-check $(addprefix --constraint ,$(CONSTRAINTS)) --editable ".[site]"
	@touch $@

site: $(SITE)
	@echo "Building the site (half a minute) ..."
	@$(ONE) $(RUN) site/build.py

bench: $(STAMP)
	@echo "Measuring speed ratios (about 10 minutes; keep the machine quiet) ..."
	@$(RUN) benchmarks/run.py
	@$(RUN) -m benchmarks.accelerator

size: $(STAMP)
	@$(ONE) $(RUN) -m benchmarks.size

lab: $(STAMP)
	@$(RUN) -m jupyter lab notebooks/00_start_here.ipynb

lint: $(STAMP)
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(VENV)/bin/typos
	@$(RUN) -m mypy
	@$(RUN) -m mypy benchmarks/run.py

clean:
	@rm -rf report/live/notebooks report/live/*.json report/live/*.svg report/live/*.pdf build/site \
		.pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
	@echo "Removed the records of the last run, the site and the caches."
