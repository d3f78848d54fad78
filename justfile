# What a contributor types; .ci/run calls the same recipes.

# everything but the tests
check: lint types imports docs-check

# an editable install with everything needed to work on it
setup:
    pip install -r requirements.lock
    pip install --no-deps --no-build-isolation -e .

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

# all that is damaged, killed and filled up, of which `test` tries a tenth; properties at random
attack *arguments:
    pytest --attack -m '' tests/attack tests/unit tests/costmodel {{ arguments }}

# write the pages that are generated
docs:
    python docs/make_cli_page.py > docs/cli.md
    python docs/make_python_page.py > docs/python.md
    python docs/make_settings_page.py > docs/settings.md

docs-check:
    python docs/make_cli_page.py | diff - docs/cli.md
    python docs/make_python_page.py | diff - docs/python.md
    python docs/make_settings_page.py | diff - docs/settings.md

pinned := "uv pip compile --quiet --universal --python-version 3.11 --generate-hashes"

# pin versions that fit pyproject.toml, with their hashes, for every Python and system we support; `just lock --upgrade` takes the newest
lock *arguments:
    {{ pinned }} {{ arguments }} --extra dev pyproject.toml -o requirements.lock
    for part in build tflite tensorflow onnx lambda; do \
        {{ pinned }} -c requirements.lock container/$part.in -o container/$part.txt || exit; done

# where a registry can be reached: the digest of the image we build on today, for `ARG BASE` in the Dockerfile
base tag="python:3.11-slim":
    docker pull --quiet {{ tag }}
    docker image inspect --format '{{{{ index .RepoDigests 0 }}' {{ tag }}

# the local lane against what the machine can do; needs labelled photos and a model of yours
bench photos model:
    python benchmarks/local.py --photos {{ photos }} --model {{ model }}
