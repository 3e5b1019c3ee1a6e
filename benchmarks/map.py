"""How smoothly the viewer's map shows 200,000 images with embeddings of 512 numbers.

    python benchmarks/map.py [--umap] [--out benchmarks/results/map.md]

The collection is that of benchmarks/viewer.py: 200,000 samples × 40 attributes × 3 models. Times of
answers are without a network. Chromium draws without a GPU (``--disable-gpu``) on a page of 1280 ×
900: *draw* is the time that the page's script takes for one picture while the map is dragged,
*frame* the time from one picture to the next. With ``--umap`` the whole map by UMAP is made, too,
which takes minutes.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import threading
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import numpy as np
from playwright.sync_api import sync_playwright

from prunescope.predictions.embeddings import Embeddings
from prunescope.viewer import Decisions, bind, create_app
from prunescope.viewer.layouts import REDUCED, principal
from prunescope.viewer.serve import Server
from prunescope.viewer.unfold import apart
from seen import write_page
from viewer import draw

D, CLUSTERS = 512, 40
DRAGS = 60
DRAG = """async (steps) => {
  const canvas = document.querySelector(".stage canvas"), box = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {};
  const finger = (type, i) => canvas.dispatchEvent(new PointerEvent(type, { pointerId: 1,
    clientX: box.left + 400 + i, clientY: box.top + 300 + i / 3, pointerType: "touch" }));
  const drawn = [], frames = [];
  finger("pointerdown", 0);
  let last = await new Promise(requestAnimationFrame);
  for (let i = 1; i <= steps; i++) {
    finger("pointermove", 2 * i);
    const now = await new Promise(requestAnimationFrame);
    drawn.push(Number(canvas.dataset.ms));
    frames.push(now - last);
    last = now;
  }
  finger("pointerup", 2 * steps);
  return [drawn, frames];
}"""


def embedded(rng):
    """Return the collection with embeddings in clusters, some larger than others."""
    collection = draw(rng)
    n = len(collection.samples)
    centres = rng.normal(0, 2, (CLUSTERS, D)).astype(np.float32)
    of = rng.choice(CLUSTERS, n, p=rng.dirichlet(np.ones(CLUSTERS)))
    values = centres[of] + rng.normal(0, 2, (n, D)).astype(np.float32)
    return replace(collection, embeddings=Embeddings(collection.samples.ids, values))


def told(name, times):
    return f"| {name} | {statistics.median(times):.0f} | {max(times):.0f} |"


def answers(url):
    """Time what the pages ask for: the first time, and again."""
    with httpx2.Client(base_url=url, timeout=600) as client:

        def ask(path):
            start = time.perf_counter()
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.text)
            return 1000 * (time.perf_counter() - start), answer

        client.get("/")  # the report is built once
        yield told("the page, the first time: principal components are found", [ask("/map")[0]])
        area = ask("/map")[1].text.split("area=")[1].split("&")[0].split('"')[0]
        for name, path in {
            "the page, again": "/map",
            "places and colours: flips of an attribute": "/api/map?attribute=a1&model=s95",
            "places and colours: flips over all": "/api/map?model=s95",
            "places and colours: change of confidence": "/api/map?model=s95&colour=confidence",
            "the grid of a part of the map": f"/samples?model=s95&area={area}",
            "a point's image": "/api/map/image/777",
            "a sample's page, with similar images": "/sample?of=000123.jpg&attribute=a1",
        }.items():
            yield told(
                name, [ask(f"{path}{'&' if '?' in path else '?'}x={i}")[0] for i in range(5)]
            )


def pictures(url):
    """Time how the map is drawn, from afar and from near."""
    with sync_playwright() as playwright:
        options = {
            "executable_path": shutil.which("chromium"),
            "args": ["--no-sandbox", "--disable-gpu"],
        }
        browser = playwright.chromium.launch(**options)
        for query, name in (("attribute=a1&model=s95", "an attribute"), ("model=s95", "over all")):
            for zoom in (1, 4, 16):
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(f"{url}/map?layout=pca&{query}#at=32768.32768.{zoom}")
                page.wait_for_selector("[data-ready]", timeout=120_000)
                drawn, frames = page.evaluate(DRAG, DRAGS)
                page.close()
                yield told(f"draw: flips {name}, {zoom} × as near", drawn)
                yield told(f"frame: flips {name}, {zoom} × as near", frames)
        browser.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--umap", action="store_true", help="make the map by UMAP, too")
    parser.add_argument("--out", type=Path, help="write a Markdown table here")
    args = parser.parse_args()
    collection = embedded(np.random.default_rng(0))
    values = collection.embeddings.values
    with TemporaryDirectory() as folder:
        app = create_app(collection, Decisions(Path(folder) / "d.jsonl"), token="t")
        app.state.site.selector.layouts.__dict__["names"] = ("pca",)  # nothing runs beside
        socket, started = bind("127.0.0.1", 0), threading.Event()
        server = Server(app, started.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
        thread.start()
        started.wait()
        url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        lines = [*answers(url), *pictures(url)]
        server.should_exit = True
        thread.join()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    own = values.nbytes / 2**30
    machine = f"{os.cpu_count()} cores, on which {os.getloadavg()[0]:.0f} processes ran meanwhile"
    table = [
        f"{len(values):,} samples × {D} numbers, times in ms; {machine}",
        "",
        "| what | median | slowest |",
        "|---|---|---|",
        *lines,
        "",
        f"peak memory {memory:.1f} GiB, of which {own:.1f} GiB are the embeddings",
    ]
    if args.umap:
        start = time.perf_counter()
        apart(principal(values, REDUCED))
        table.append(f"\nUMAP, beside the viewer: {(time.perf_counter() - start) / 60:.0f} minutes")
    text = "\n".join(table)
    print(text)
    if args.out:
        write_page(args.out, text)


if __name__ == "__main__":
    main()
