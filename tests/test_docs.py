import re
import runpy
import subprocess
from pathlib import Path

import pytest

from offload.version import __version__
from tests.conftest import PROJECT

PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")])


def test_the_changelog_knows_this_version() -> None:
    assert f"## {__version__}" in (PROJECT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_in_the_documentation_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_the_page_of_settings_is_as_the_code_has_them() -> None:
    made = runpy.run_path(str(PROJECT / "docs" / "make_settings_page.py"))["page"]()
    assert made == (PROJECT / "docs" / "settings.md").read_text()


def test_every_variable_that_the_code_reads_is_on_that_page() -> None:
    page = (PROJECT / "docs" / "settings.md").read_text()
    sources = [path.read_text() for path in (PROJECT / "offload").rglob("*.py")]
    named = {name for text in sources for name in re.findall(r"OFFLOAD_[A-Z][A-Z_]*[A-Z]\b", text)}
    assert len(named) > 5
    assert not [name for name in sorted(named) if f"`{name}`" not in page]


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = "pip install -e '.[dev]' && pytest"
    assert command in (PROJECT / "README.md").read_text()
    assert command.replace("install", "install -q") in (PROJECT / ".ci" / "run").read_text()


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) < 150


def test_every_source_file_keeps_to_the_limit_of_three_hundred_lines() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "offload/*.py"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in tracked:
        assert len((PROJECT / name).read_text().splitlines()) <= 300, name
