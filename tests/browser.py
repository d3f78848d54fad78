"""A headless Chromium that tests drive over its DevTools pipe: no port, no driver, no library."""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 30.0
"""How long anything may take before a test gives up."""

INSTALL = "apt-get install -y -qq --no-install-recommends chromium-headless-shell"

_PROGRAMS = "chromium-headless-shell", "chromium"
"""The first draws no window around a page, which takes most of the other's time."""

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-proxy-server", "--remote-debugging-pipe",
    # Names lead nowhere, so that a page that asks another host is caught asking and gets nothing.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip

# Chromium reads commands from file descriptor 3 and answers on 4.
_AS_PIPE = 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null'


class BrowserError(Exception):
    """Chromium refused a command, or a script on the page failed."""


class Browser:
    """A running Chromium: commands go down one pipe, answers and events come up the other."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._commands = process.stdin
        self._answers_fd = process.stdout.fileno()
        self._unread = b""
        self._last_id = 0
        self._pages: dict[str, Page] = {}

    @contextlib.contextmanager
    def page(self) -> Iterator["Page"]:
        """An empty page that shares no storage with any other."""
        context = self.send("Target.createBrowserContext")["browserContextId"]
        target = self.send("Target.createTarget", url="about:blank", browserContextId=context)
        attached = self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        try:
            page.watch()
            yield page
        finally:
            self.send("Target.disposeBrowserContext", browserContextId=context)

    def send(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """What Chromium answers to a command; events that come first go to their pages.

        Raises:
            BrowserError: it refuses, or is gone.
            TimeoutError: it does not answer.
        """
        self._last_id += 1
        command = {"id": self._last_id, "method": method, "params": parameters}
        if session is not None:
            command["sessionId"] = session
        self._commands.write(json.dumps(command).encode() + b"\0")
        self._commands.flush()
        deadline_s = time.monotonic() + PATIENCE_S
        while (message := self._read(deadline_s)).get("id") != self._last_id:
            if page := self._pages.get(message.get("sessionId", "")):
                page.take(message.get("method", ""), message.get("params", {}))
        if "error" in message:
            raise BrowserError(f"{method}: {message['error']['message']}")
        return message["result"]

    def _read(self, deadline_s: float) -> dict[str, Any]:
        while b"\0" not in self._unread:
            left_s = max(0.0, deadline_s - time.monotonic())
            if not select.select([self._answers_fd], [], [], left_s)[0]:
                raise TimeoutError("Chromium does not answer")
            chunk = os.read(self._answers_fd, 1 << 20)
            if not chunk:
                raise BrowserError("Chromium has ended")
            self._unread += chunk
        message, _, self._unread = self._unread.partition(b"\0")
        return dict(json.loads(message))


class Page:
    """One tab: what it shows, what it asked the network for, what it complained about."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.requests: list[str] = []
        """The URL of every request, those for the page's own `data:` and `blob:` included."""
        self.complaints: list[str] = []
        """Exceptions nobody caught, and what the browser itself logged as an error."""

    def watch(self) -> None:
        """Have events sent."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._send(f"{domain}.enable")

    def take(self, method: str, parameters: dict[str, Any]) -> None:
        """Keep what an event says."""
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(parameters["entry"]["text"])

    def open(self, url: str) -> None:
        """Go there and wait until it is loaded."""
        failure = self._send("Page.navigate", url=url).get("errorText")
        if failure:
            raise BrowserError(f"{url}: {failure}")
        self.wait_for("document.readyState === 'complete'")

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression; of a promise, what it comes to."""
        answer = self._send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise BrowserError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until the expression is true."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not self.evaluate(f"!!({script})"):
            if time.monotonic() > deadline_s:
                shown = self.evaluate("document.body.innerText")
                raise TimeoutError(f"never true: {script}\ncomplaints: {self.complaints}\n{shown}")
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        """What a person reads in the first element of the selector."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    def shows(self, selector: str) -> bool:
        """Whether the first element of the selector is to be seen."""
        return bool(self.evaluate(f"document.querySelector({json.dumps(selector)}).offsetHeight"))

    def edges(self, selector: str) -> list[list[float]]:
        """Left, top, right and bottom of each element, in pixels of a screenshot."""
        all_of_them = f"[...document.querySelectorAll({json.dumps(selector)})]"
        sides = "r.left + scrollX, r.top + scrollY, r.right + scrollX, r.bottom + scrollY"
        rectangles = f"{all_of_them}.map(e => e.getBoundingClientRect()).map(r => [{sides}])"
        return list(self.evaluate(rectangles))

    def choose(self, selector: str, path: Path) -> None:
        """Hand a file to a file input, as its dialogue would."""
        found = self._send(
            "Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})"
        )
        self._send("DOM.setFileInputFiles", files=[str(path)], objectId=found["result"]["objectId"])

    def drop(self, selector: str, path: Path) -> None:
        """Drag a file from outside onto the middle of an element and let go."""
        x, y = self.evaluate(
            f"(b => [b.x + b.width / 2, b.y + b.height / 2])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for step in ("dragEnter", "dragOver", "drop"):
            self._send("Input.dispatchDragEvent", type=step, x=x, y=y, data=data)

    def type(self, text: str) -> None:
        """Type into whatever has the focus."""
        self._send("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press Tab or Enter."""
        code = {"Tab": 9, "Enter": 13}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for step in ("keyDown", "keyUp"):
            self._send(
                "Input.dispatchKeyEvent", type=step, key=key, code=key,
                windowsVirtualKeyCode=code, **(text if step == "keyDown" else {}),
            )  # fmt: skip

    def view(self, width_px: int, height_px: int, *, dark: bool = False) -> None:
        """Look at it through a window of that size, in the light or the dark."""
        self._send(
            "Emulation.setDeviceMetricsOverride", width=width_px, height=height_px,
            deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self._send("Emulation.setScrollbarsHidden", hidden=True)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._send("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self) -> bytes:
        """The whole page, not the window alone, as a PNG; a CSS pixel is a pixel."""
        size = self._send("Page.getLayoutMetrics")["cssContentSize"]
        shot = self._send(
            "Page.captureScreenshot", captureBeyondViewport=True, clip=size | {"scale": 1}
        )
        return base64.b64decode(shot["data"])

    def _send(self, method: str, **parameters: Any) -> Any:
        return self._browser.send(method, self._session, **parameters)


@contextlib.contextmanager
def launched(profile: Path) -> Iterator[Browser]:
    """Chromium with that new folder as its profile; the test is skipped where there is none."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no chromium on the PATH: {INSTALL}")
    flags = (*_FLAGS, f"--user-data-dir={profile}")
    with (
        (profile / "chromium.log").open("wb") as log,
        subprocess.Popen(
            ["/bin/sh", "-c", _AS_PIPE, "sh", program, *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=os.environ | {"HOME": str(profile)},
            start_new_session=True,
        ) as process,
    ):
        try:
            browser = Browser(process)
            yield browser
            browser.send("Browser.close")
            process.wait(PATIENCE_S)
        finally:
            # Its helpers are of its group; after an orderly end there are none.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
