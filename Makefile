# Short names of commands that stand elsewhere, too: README.md, CONTRIBUTING.md, .ci/run.
PYTHON ?= .venv/bin/python

.PHONY: setup fast test lint docs hashes

setup:
	python3 -m venv .venv
	.venv/bin/pip install -c constraints.txt -e '.[test,dev,docs]'

fast:
	$(PYTHON) -m pytest tests -n 3 --dist loadfile --no-loadscope-reorder -m 'not slow'

test:
	$(PYTHON) -m pytest tests -n 3 --dist loadfile --no-loadscope-reorder

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy

docs:
	$(PYTHON) -m sphinx -W --keep-going -q docs build/site

# With uv (pip install uv), from PyPI: the pins of constraints.txt that the package needs with the
# extras export and hub, each with the SHA-256 of all its files.
hashes:
	uv pip compile setup.py requirements/torch.in --override requirements/torch.in -c constraints.txt --extra export --extra hub --python-version 3.11.9 --python-platform x86_64-manylinux_2_28 --generate-hashes --no-annotate --custom-compile-command 'make hashes' -o requirements/hashed.txt
