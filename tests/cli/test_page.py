"""The page of `offload serve`, in a real browser."""

import base64
import contextlib
import io
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from tests.browser import PATIENCE_S, Browser, Page, launched
from tests.conftest import PROJECT
from tests.drawing import encoded, scene

PAGE = PROJECT / "offload" / "service" / "page" / "index.html"
TOKEN = "open sesame"
READY = "document.querySelector('#about').offsetHeight"
ASKED = "document.querySelector('#access').offsetHeight"
PERSON_RGB = 0xB5, 0x17, 0x9E
"""The colour of class 1's boxes."""

# One browser and two servers do for all.
pytestmark = pytest.mark.xdist_group("page")


@contextlib.contextmanager
def serving(folder: Path, token: str = "") -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """`offload serve` with nobody's settings, once it is ready: its address and its process."""
    ours = ("OFFLOAD_", "AWS_", "XDG_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    env |= {"HOME": str(folder)} | ({"OFFLOAD_TOKEN": token} if token else {})
    command = [sys.executable, "-m", "offload", "serve", "--port", "0", "--model", "builtin"]
    log = folder / "serve.log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(command, cwd=folder, env=env, stderr=stderr) as process,
    ):
        try:
            yield _address(log, process), process
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _address(log: Path, process: "subprocess.Popen[bytes]") -> str:
    deadline_s = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline_s:
        if found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text()):
            with contextlib.suppress(urllib.error.URLError):
                urllib.request.urlopen(f"{found[0]}/readyz", timeout=PATIENCE_S).close()
                return found[0]
        time.sleep(0.05)
    raise TimeoutError(log.read_text())


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with launched(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def url(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("serve")) as (url, _):
        yield url


@pytest.fixture(scope="module")
def guarded(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("guarded"), TOKEN) as (url, _):
        yield url


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """The page in a wide window, with all it has to say before it is handed a picture."""
    with browser.page() as page:
        page.view(1200, 900)
        page.open(f"{url}/")
        page.wait_for(READY)
        yield page


def answer(url: str, path: str, body: bytes | None = None) -> Any:
    with urllib.request.urlopen(f"{url}/v1/{path}", body, timeout=PATIENCE_S) as response:
        return json.load(response)


def found(page: Page, name: str) -> str:
    """What the page says of that picture, as soon as it has an answer."""
    named = f"document.querySelector('#status').innerText.includes({json.dumps(name + '.')})"
    page.wait_for(f"{named} && document.querySelector('#found').offsetHeight")
    return page.text("#status")


def spot(canvas: list[float], across: float, down: float) -> tuple[float, float]:
    """Where on the page a place in the picture is, which is given in shares of its sides."""
    left, top, right, bottom = canvas
    return left + across * (right - left), top + down * (bottom - top)


def pixel(picture: Image.Image, at: tuple[float, float]) -> Any:
    return picture.getpixel((int(at[0]), int(at[1])))


def shot(page: Page) -> Image.Image:
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def turned(path: Path, kind: str, orientation: int) -> Path:
    """A scene whose EXIF data say how it lies."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = path.with_suffix(f".{kind.lower()}")
    path.write_bytes(encoded(scene(400, 320), kind, exif=exif.tobytes()))
    return path


def test_it_names_the_model_the_machine_the_slots_and_the_limits(page: Page, url: str) -> None:
    info = answer(url, "info")
    facts = page.text("#facts")
    expected = (
        "builtin (tflite)", info["model"]["sha256"][:12], "5 classes", info["machine"]["cpu"],
        f"{info['workers']} picture", f"{info['queue']} may wait", "33.6 MB", "80 megapixels",
        info["version"],
    )  # fmt: skip
    assert [wanted for wanted in expected if wanted not in facts] == []
    assert page.evaluate("document.title") == "offload: builtin"
    page.evaluate("document.querySelector('summary').click()")
    assert page.text("#facts ul").split() == list(info["labels"].values())
    assert page.complaints == []


def test_a_chosen_photo_is_shown_with_its_boxes_where_the_answer_says(
    page: Page, url: str, examples: Path
) -> None:
    photo = examples / "couple-on-beach.jpg"
    expected = answer(url, "detect", photo.read_bytes())["detections"]
    page.choose("#file", photo)
    assert found(page, photo.name) == "Found 2 person in couple-on-beach.jpg."
    [canvas] = page.edges("canvas")
    boxes = page.edges(".box")
    assert len(boxes) == len(expected) == 2
    seen = shot(page)
    for (left, top, right, bottom), detection in zip(boxes, expected, strict=True):
        ymin, xmin, ymax, xmax = detection["box"]
        assert (left, top) == pytest.approx(spot(canvas, xmin, ymin), abs=1)
        assert (right, bottom) == pytest.approx(spot(canvas, xmax, ymax), abs=1)
        for x in (left + 1, right - 1):
            assert pixel(seen, (x, (top + bottom) / 2)) == pytest.approx(PERSON_RGB, abs=24)
    with Image.open(photo) as original:
        sand = pixel(original, (20, 500))
    assert pixel(seen, spot(canvas, 20 / 600, 500 / 540)) == pytest.approx(sand, abs=40)


def test_labels_stay_in_the_picture_and_hide_none_other_where_there_is_room(
    page: Page, examples: Path
) -> None:
    photos = ("woman-close-up.jpg", "three-people-walking.jpg")
    for width_px, photo in itertools.product((320, 1200), photos):
        page.view(width_px, 800)
        page.choose("#file", examples / photo)
        found(page, photo)
        [(left, top, right, bottom)] = page.edges("#stage")
        tags = page.edges(".tag")
        assert tags
        assert all(left <= a < c <= right and top <= b < d <= bottom for a, b, c, d in tags)
        if width_px == 1200:
            for (a, b, c, d), (e, f, g, h) in itertools.combinations(tags, 2):
                assert c <= e or g <= a or d <= f or h <= b


def test_the_tables_list_the_objects_and_where_the_time_went(
    page: Page, url: str, examples: Path
) -> None:
    photo = examples / "couple-on-beach.jpg"
    expected = answer(url, "detect", photo.read_bytes())
    page.choose("#file", photo)
    found(page, photo.name)
    title, _, *rows = page.text("#objects").splitlines()
    assert title == "2 objects in 600 \N{MULTIPLICATION SIGN} 540 pixels"
    for row, detection in zip(rows, expected["detections"], strict=True):
        label, score, place, size = row.split("\t")
        ymin, xmin, ymax, xmax = detection["box"]
        assert (label.strip(), score) == ("person", f"{detection['score']:.2f}")
        assert [int(n) for n in place.split(", ")] == pytest.approx([xmin * 600, ymin * 540], abs=1)
        wanted = [(xmax - xmin) * 600, (ymax - ymin) * 540]
        assert [int(n) for n in size.split(" \N{MULTIPLICATION SIGN} ")] == pytest.approx(
            wanted, abs=1
        )
    spent = dict(line.split("\t") for line in page.text("#durations").splitlines()[1:])
    assert list(spent)[:4] == ["Received", "Waited", "Decoded", "Inferred"]
    *parts, total = (float(ms) for ms in spent.values())
    assert sum(parts) == pytest.approx(total, abs=0.5)
    assert spent["Inferred"] != "0.0"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_a_photo_turned_by_exif_is_shown_upright_as_its_boxes_are(
    page: Page, tmp_path: Path, kind: str, orientation: int
) -> None:
    photo = turned(tmp_path / "turned", kind, orientation)
    with Image.open(photo) as lying:
        upright = ImageOps.exif_transpose(lying).convert("RGB")
    width, height = upright.size
    page.choose("#file", photo)
    found(page, photo.name)
    assert f"in {width} \N{MULTIPLICATION SIGN} {height} pixels" in page.text("#objects")
    [canvas] = page.edges("canvas")
    left, top, right, bottom = canvas
    assert (right - left) / (bottom - top) == pytest.approx(width / height, rel=0.02)
    seen = shot(page)
    for across, down in itertools.product((0.25, 0.75), repeat=2):
        wanted = pixel(upright, (across * width, down * height))
        assert pixel(seen, spot(canvas, across, down)) == pytest.approx(wanted, abs=24)
    assert not page.shows("#note")


@pytest.mark.parametrize(("kind", "orientation"), [("TIFF", 1), ("WEBP", 3), ("WEBP", 6)])
def test_what_the_browser_cannot_show_upright_is_not_shown_under_its_boxes(
    page: Page, tmp_path: Path, kind: str, orientation: int
) -> None:
    photo = turned(tmp_path / "picture", kind, orientation)
    page.choose("#file", photo)
    found(page, photo.name)
    assert "cannot show the picture upright" in page.text("#note")
    [canvas] = page.edges("canvas")
    assert pixel(shot(page), spot(canvas, 0.25, 0.25)) == (255, 255, 255)


def test_a_webp_that_lies_as_it_should_is_shown(page: Page, tmp_path: Path) -> None:
    photo = turned(tmp_path / "upright", "WEBP", 1)
    page.choose("#file", photo)
    found(page, photo.name)
    [canvas] = page.edges("canvas")
    assert pixel(shot(page), spot(canvas, 0.25, 0.25)) == pytest.approx((255, 0, 0), abs=24)
    assert not page.shows("#note")


def test_an_animation_stays_at_the_frame_that_was_looked_at(page: Page, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (320, 320), colour) for colour in ("red", "blue", "lime")]
    path = tmp_path / "moving.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=20, loop=0)
    page.choose("#file", path)
    assert found(page, path.name) == "Found nothing in moving.gif."
    [canvas] = page.edges("canvas")
    assert pixel(shot(page), spot(canvas, 0.5, 0.5)) == pytest.approx((255, 0, 0), abs=8)


def test_a_photo_may_be_dropped_anywhere_on_the_page(page: Page, examples: Path) -> None:
    page.drop("#facts", examples / "red-bus.jpg")
    assert found(page, "red-bus.jpg") == "Found 1 bus in red-bus.jpg."


def test_a_photo_may_be_pasted(page: Page, examples: Path) -> None:
    data = base64.b64encode((examples / "dog-on-lawn.webp").read_bytes()).decode()
    page.evaluate(
        "(clipboardData => { clipboardData.items.add(new File([Uint8Array.from("
        f"atob('{data}'), c => c.charCodeAt(0))], 'pasted.webp', {{ type: 'image/webp' }}));"
        "document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }))"
        "})(new DataTransfer())"
    )
    assert found(page, "pasted.webp") == "Found 1 dog in pasted.webp."


def test_a_file_that_is_no_picture_shows_the_servers_sentence(
    page: Page, url: str, examples: Path, tmp_path: Path
) -> None:
    page.choose("#file", examples / "red-bus.jpg")
    found(page, "red-bus.jpg")
    broken = tmp_path / "broken.jpg"
    broken.write_text("no picture")
    with pytest.raises(urllib.error.HTTPError) as refused:
        answer(url, "detect", broken.read_bytes())
    detail = json.load(refused.value)["detail"]
    page.choose("#file", broken)
    page.wait_for("document.querySelector('#failure').innerText")
    assert page.text("#failure") == f"broken.jpg: {detail}"
    assert not page.shows("#found")
    page.choose("#file", examples / "red-bus.jpg")
    found(page, "red-bus.jpg")
    assert page.text("#failure") == ""


def test_a_file_larger_than_the_server_takes_is_not_sent(page: Page, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(32 * 2**20 + 1)
    asked = len(page.requests)
    page.choose("#file", large)
    page.wait_for("document.querySelector('#failure').innerText")
    assert page.text("#failure").startswith("large.jpg: 33.6 MB is more than this server takes")
    assert page.requests[asked:] == []


def test_a_server_that_has_gone_is_told_and_can_be_asked_again(
    browser: Browser, examples: Path, tmp_path: Path
) -> None:
    with browser.page() as page:
        with serving(tmp_path) as (url, process):
            page.open(f"{url}/")
            page.wait_for(READY)
            process.terminate()
            process.wait(PATIENCE_S)
        page.choose("#file", examples / "red-bus.jpg")
        page.wait_for("document.querySelector('#failure button')")
        assert "red-bus.jpg: The server does not answer." in page.text("#failure")


def test_with_a_token_it_asks_for_it_explains_a_wrong_one_and_keeps_a_right_one_in_the_tab(
    browser: Browser, guarded: str, examples: Path
) -> None:
    with browser.page() as page:
        page.open(f"{guarded}/")
        page.wait_for(ASKED)
        assert page.text("#hint") == "This server needs a token."
        assert page.evaluate("document.querySelector('#token').type") == "password"
        page.type("wrong")
        page.press("Enter")
        page.wait_for("document.querySelector('#denied').innerText")
        assert page.text("#denied") == "The token is wrong."
        page.type(TOKEN)
        page.press("Enter")
        page.wait_for(READY)
        page.choose("#file", examples / "woman-close-up.jpg")
        assert found(page, "woman-close-up.jpg") == "Found 1 person in woman-close-up.jpg."
        assert '"Authorization: Bearer $OFFLOAD_TOKEN"' in page.text("#curl")
        page.open(f"{guarded}/")
        page.wait_for(READY)
        assert page.evaluate("localStorage.length + document.cookie.length") == 0
        assert TOKEN not in page.evaluate("document.documentElement.outerHTML")
    with browser.page() as another:
        another.open(f"{guarded}/")
        another.wait_for(ASKED)


def test_no_request_goes_to_any_other_host(page: Page, url: str, examples: Path) -> None:
    page.choose("#file", examples / "woman-close-up.jpg")
    found(page, "woman-close-up.jpg")
    assert f"{url}/v1/detect" in page.requests
    assert [asked for asked in page.requests if not asked.startswith((f"{url}/", "data:"))] == []
    refused = page.evaluate(
        "new Promise(done => { addEventListener('securitypolicyviolation', event => "
        "done(event.effectiveDirective)); fetch('http://127.0.0.1:9/').catch(() => {}) })"
    )
    assert refused == "connect-src"


def test_the_api_pages_come_from_this_server_alone(browser: Browser, page: Page, url: str) -> None:
    links = page.evaluate("[...document.querySelectorAll('nav a')].map(link => link.href)")
    assert links == [f"{url}/{path}" for path in ("docs", "openapi.json", "metrics")]
    for link in links[1:]:
        urllib.request.urlopen(link, timeout=PATIENCE_S).close()
    with browser.page() as docs:
        docs.open(links[0])
        docs.wait_for("document.querySelector('.swagger-ui .opblock')")
        assert "/v1/detect" in docs.text(".swagger-ui")
        assert [
            asked for asked in docs.requests if not asked.startswith((f"{url}/", "data:"))
        ] == []
        assert docs.complaints == []


def test_its_examples_work_as_they_stand(page: Page, examples: Path, tmp_path: Path) -> None:
    photo = shutil.copy(examples / "woman-close-up.jpg", tmp_path / "photo.jpg")
    (tmp_path / "photos").mkdir()
    shutil.copy(photo, tmp_path / "photos")
    program, *arguments = shlex.split(page.text("#folder"))
    assert program == "offload"
    commands = [[sys.executable, "-m", program, *arguments, "--json"]]
    if shutil.which("curl"):
        commands.append([*shlex.split(page.text("#curl")), "--silent", "--fail"])
    for command in commands:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
        assert [found["label"] for found in json.loads(done.stdout)["detections"]] == ["person"]


@pytest.mark.parametrize("width_px", [320, 800, 1920])
def test_nothing_is_wider_than_the_window_in_the_light_and_in_the_dark(
    page: Page, examples: Path, width_px: int
) -> None:
    page.view(width_px, 700)
    page.choose("#file", examples / "three-people-walking.jpg")
    found(page, "three-people-walking.jpg")
    assert max(pixel(shot(page), (1, 1))) > 192
    page.view(width_px, 700, dark=True)
    assert max(pixel(shot(page), (1, 1))) < 64
    assert page.evaluate("document.documentElement.scrollWidth") <= width_px
    wider = "e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'auto'"
    assert page.evaluate(f"[...document.querySelectorAll('main *')].filter(e => {wider})") == []


def test_the_keyboard_reaches_the_file_input_first_and_everything_has_a_name(page: Page) -> None:
    page.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    assert page.evaluate("document.activeElement.labels[0].innerText").startswith(
        "Choose a picture"
    )
    nameless = "[...document.querySelectorAll('input')].filter(e => !e.labels.length).length"
    assert page.evaluate(nameless) == 0
    roles = "['#status', '#failure', '#denied'].map(s => document.querySelector(s).role)"
    assert page.evaluate(roles) == ["status", "alert", "alert"]


def test_it_is_one_small_file() -> None:
    assert len(PAGE.read_bytes()) < 15_000
