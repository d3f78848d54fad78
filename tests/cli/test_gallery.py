"""The gallery of a results folder, in a real browser, from the file system."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from offload.domain.results import Row
from offload.domain.vision import Box, Detection
from offload.drivers.folders import gallery
from tests.browser import Browser, Page, launched
from tests.drawing import saved

HOSTILE = (
    "<script>document.title='taken'<\\script></script><img src=x onerror=document.title='taken'>"
)
FILE = HOSTILE.replace("/", "\u2215") + "#1?.png"
CARDS = "document.querySelectorAll('li').length"

pytestmark = pytest.mark.xdist_group("page")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with launched(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def written(folder: Path, count: int) -> str:
    """The address of a gallery of that many images, of which the first has a picture."""
    for tree in ("annotated", "thumbnails"):
        saved(folder / tree / FILE, Image.new("RGB", (400, 300), "red"), "PNG")
    box = Box(0.1, 0.1, 0.9, 0.9)

    def row(number: int) -> Row:
        objects = [("dog", 18, 0.9), (HOSTILE, 1, 0.61), ("dog", 18, 0.3)][: number % 4]
        found = tuple(Detection(label, class_id, score, box) for label, class_id, score in objects)
        return Row(f"{number}.jpg" if number else FILE, "fake", "a", "local", found, 400, 300)

    with (folder / gallery.NAME).open("w") as file:
        gallery.write(file, map(row, range(count)), "fake", 0.5)
    return (folder / gallery.NAME).as_uri()


def choose(page: Page, selector: str, value: str) -> None:
    element = f"document.querySelector({selector!r})"
    page.evaluate(f"{element}.value = {value!r}")
    page.evaluate(f"{element}.dispatchEvent(new Event('input', {{ bubbles: true }}))")


def test_ten_thousand_images_are_filtered_by_class_score_and_name(
    browser: Browser, tmp_path: Path
) -> None:
    address = written(tmp_path, 10_000)
    assert (tmp_path / gallery.NAME).stat().st_size < 1_000_000
    with browser.page() as page:
        page.open(address)
        assert page.text("#status") == "10,000 of 10,000 images"
        assert page.evaluate(CARDS) == 60
        assert page.text("#page") == "Page 1 of 167"
        assert page.evaluate("[...document.querySelector('#what').options].map(o => o.text)") == [
            "all images", "any object", "no object", "dog (7,500)", f"{HOSTILE} (5,000)",
        ]  # fmt: skip
        choose(page, "#what", "1")
        assert page.text("#status") == "5,000 of 10,000 images"
        choose(page, "#score", "0.7")
        assert page.text("#status") == "0 of 10,000 images"
        assert page.shows("#none")
        choose(page, "#what", "none")
        assert page.text("#status") == "2,500 of 10,000 images"
        choose(page, "#name", "9999")
        choose(page, "#what", "all")
        assert page.text("#status") == "1 of 10,000 images"
        assert page.text("li") == "9999.jpg\n1 dog 0.90"
        assert not [text for text in page.complaints if "ERR_FILE_NOT_FOUND" not in text]


def test_hostile_names_are_text_and_lead_to_their_pictures(
    browser: Browser, tmp_path: Path
) -> None:
    address = written(tmp_path, 100)
    with browser.page() as page:
        page.open(address)
        page.wait_for("document.querySelector('img').naturalWidth === 400")
        assert page.text("li b") == FILE
        assert page.evaluate("document.title") == "offload: gallery"
        page.open(page.evaluate("document.querySelector('li a').href"))
        assert page.evaluate("document.querySelector('img').naturalWidth") == 400


def test_a_picture_that_has_no_small_one_is_shown_itself(browser: Browser, tmp_path: Path) -> None:
    address = written(tmp_path, 1)
    saved(tmp_path / "thumbnails" / FILE, Image.new("RGB", (200, 150), "red"), "JPEG")
    with browser.page() as page:
        page.open(address)
        page.wait_for("document.querySelector('img').naturalWidth === 200")
        (tmp_path / "thumbnails" / FILE).unlink()
        page.open(address)
        page.wait_for("document.querySelector('img').naturalWidth === 400")


def test_the_keyboard_alone_turns_pages_and_nothing_is_asked_of_any_host(
    browser: Browser, tmp_path: Path
) -> None:
    address = written(tmp_path, 100)
    with browser.page() as page:
        page.view(360, 700, dark=True)
        page.open(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        for reached in ("what", "score", "name", "on"):
            page.press("Tab")
            assert page.evaluate("document.activeElement.id") == reached
        page.press("Enter")
        assert page.text("#page") == "Page 2 of 2"
        assert page.evaluate(CARDS) == 40
        assert page.evaluate("[...document.querySelectorAll('input')].every(e => e.labels.length)")
        assert page.evaluate("document.querySelector('#status').role") == "status"
        assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
