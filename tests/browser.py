"""A page in headless Chromium, through the DevTools protocol: what it asked for and how it lies."""

import asyncio
import json
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tornado.websocket import websocket_connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-port=0",
]
FACTS = """({
  width: document.documentElement.scrollWidth, theme: document.documentElement.dataset.theme,
  math: document.querySelectorAll('mjx-container').length,
  figures: [...document.querySelectorAll('figure.privrob svg')].map(
    svg => svg.getAttribute('aria-label') || ''),
  results: document.querySelectorAll('#search-results li').length,
  text: document.body.innerText.length })"""


@dataclass
class Page:
    """What was seen of one page in one size and theme."""

    facts: dict
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@contextmanager
def served(folder: Path):
    """The address of a web server on this machine that shows a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def visit(
    urls: list[str], *, width: int, theme: str, facts: str = FACTS, media: str = "screen"
) -> dict[str, Page]:
    """Each address, opened in a window of that width in a 'light' or 'dark' world.

    `facts` is JavaScript that may act on the page first; it runs again until the page is at rest;
    `media` is 'print' for what would be printed.
    """
    # Its helpers may still write into the profile when the browser itself is gone.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [CHROMIUM, *QUIET, f"--user-data-dir={profile}", "about:blank"],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            return asyncio.run(_tour(Path(profile), urls, width, theme, facts, media))
        finally:
            browser.terminate()
            browser.wait()


async def _tour(
    profile: Path, urls: list[str], width: int, theme: str, facts: str, media: str
) -> dict[str, Page]:
    connection = await _connect(profile)
    seen: list[dict] = []

    async def call(method: str, **parameters):
        await connection.write_message(
            json.dumps({"id": len(seen) + 10**6, "method": method, "params": parameters})
        )
        number = len(seen) + 10**6
        while True:
            message = json.loads(await connection.read_message())
            seen.append(message)
            if message.get("id") == number:
                return message.get("result", {})

    for domain in ("Page", "Network", "Runtime", "Log"):
        await call(f"{domain}.enable")
    await call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=900,
        deviceScaleFactor=1,
        mobile=width < 500,
    )
    scheme = [{"name": "prefers-color-scheme", "value": theme}]
    await call("Emulation.setEmulatedMedia", media=media, features=scheme)
    return {url: await _look(call, seen, url, facts) for url in urls}


async def _connect(profile: Path):
    """The connection to the browser's one page, once it has written where it listens."""
    port_file = profile / "DevToolsActivePort"
    for _ in range(300):
        if port_file.exists() and (lines := port_file.read_text().split()):
            break
        await asyncio.sleep(0.1)
    host = f"127.0.0.1:{lines[0]}"
    browser = await websocket_connect(f"ws://{host}{lines[1]}", max_message_size=10**9)
    await browser.write_message(json.dumps({"id": 1, "method": "Target.getTargets"}))
    while (answer := json.loads(await browser.read_message())).get("id") != 1:
        pass
    [page] = [t for t in answer["result"]["targetInfos"] if t["type"] == "page"]
    return await websocket_connect(
        f"ws://{host}/devtools/page/{page['targetId']}", max_message_size=10**9
    )


async def _look(call, seen: list[dict], url: str, facts: str) -> Page:
    del seen[:]
    await call("Page.navigate", url="about:blank")  # or the next may be another hash of one page
    del seen[:]
    await call("Page.navigate", url=url)
    for _ in range(10):  # scripts run after the page has loaded
        await asyncio.sleep(0.3)
        result = await call("Runtime.evaluate", expression=facts, returnByValue=True)
    events = [(m.get("method"), m.get("params", {})) for m in seen]
    return Page(
        result["result"]["value"],
        [p["request"]["url"] for name, p in events if name == "Network.requestWillBeSent"],
        [
            json.dumps(p)[:300]
            for name, p in events
            if name in ("Runtime.exceptionThrown", "Log.entryAdded")
        ],
    )
