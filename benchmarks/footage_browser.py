"""Reads the mean colour of a patch of a video or picture in headless Chromium, for `footage.py`.

One JSON line {"path", "turned"} on standard input, one on standard output: three numbers, or null if it does not play.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright  # pyright: ignore[reportMissingImports]

TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".gif": "image/gif",
    ".png": "image/png",
}
READ = """async ([data, type, turned]) => {
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], {type}));
  const still = type.startsWith("image");
  const shown = document.createElement(still ? "img" : "video");
  shown.muted = true;
  const ready = new Promise((yes, no) => {
    shown[still ? "onload" : "onloadeddata"] = yes;
    shown.onerror = no;
    setTimeout(no, 15000);
  });
  shown.src = url;
  try { await ready; } catch { return null; }
  if (!still) {  // what is drawn before a frame was shown is black
    document.body.append(shown);
    const seen = new Promise(yes => { shown.requestVideoFrameCallback(yes); setTimeout(yes, 5000); });
    await shown.play().catch(() => null);
    await seen;
  }
  const w = still ? shown.naturalWidth : shown.videoWidth, h = still ? shown.naturalHeight : shown.videoHeight;
  if (!w || !h) return null;  // its sound alone is played
  const canvas = new OffscreenCanvas(w, h), context = canvas.getContext("2d");
  context.drawImage(shown, 0, 0, w, h);
  const x = turned ? w - Math.floor(w / 4) : Math.floor(w / 12);
  const n = Math.floor(w / 4) - Math.floor(w / 12), m = Math.floor(h / 4) - Math.floor(h / 12);
  const pixels = context.getImageData(x, Math.floor(h / 12), n, m).data, sum = [0, 0, 0];
  for (let i = 0; i < pixels.length; i += 4) for (let c = 0; c < 3; c++) sum[c] += pixels[i + c];
  shown.remove();
  return sum.map(s => s / (pixels.length / 4));
}"""


def main() -> None:
    with sync_playwright() as play:
        program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto("about:blank")
        for line in sys.stdin:
            asked = json.loads(line)
            path = Path(asked["path"])
            mean = None
            if path.suffix in TYPES:
                data = base64.b64encode(path.read_bytes()).decode()
                mean = page.evaluate(READ, [data, TYPES[path.suffix], asked["turned"]])
            print(json.dumps(mean), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
