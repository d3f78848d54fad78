# What a contributor types; .ci/run calls the same recipes.

# everything but the tests
check: lint types imports docs-check

# an editable install with everything needed to work on it
setup:
    pip install -c requirements.lock -e '.[dev]'

# style
lint:
    ruff check
    ruff format --check

# rewrite the files the way `lint` wants them
format:
    ruff check --fix
    ruff format

types:
    mypy

# imports point one way, every library has one owner
imports:
    lint-imports --no-logo

test *arguments:
    pytest {{ arguments }}

# the tests that run for long: random kills for minutes, tens of thousands of images
soak *arguments:
    pytest -m soak {{ arguments }}

# everything damaged, killed and filled up that a tenth of is tried in `test`: takes long
attack *arguments:
    pytest --attack -m '' tests/attack {{ arguments }}

# write the pages that are generated
docs:
    python docs/make_cli_page.py > docs/cli.md

docs-check:
    python docs/make_cli_page.py | diff - docs/cli.md

# pin the newest versions that fit pyproject.toml, for every Python and system we support
lock:
    uv pip compile --quiet --universal --python-version 3.11 --extra dev pyproject.toml -o requirements.lock

# the local lane against what the machine can do; needs labelled photos and a model of yours
bench photos model:
    python benchmarks/local.py --photos {{ photos }} --model {{ model }}
