# Short names of commands that stand elsewhere, too: README.md, CONTRIBUTING.md, .ci/run.
PYTHON ?= .venv/bin/python

.PHONY: setup fast test lint docs

setup:
	python3 -m venv .venv
	.venv/bin/pip install -c constraints.txt -e '.[test,dev,docs]'

fast:
	$(PYTHON) -m pytest tests -n 2 --dist loadfile -m 'not slow'

test:
	$(PYTHON) -m pytest tests -n 2 --dist loadfile

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy

docs:
	$(PYTHON) -m sphinx -W --keep-going -q docs build/site
