"""Hostile prompts, sent to a running ComfyUI: how many kill it, and how many end in anything but a sentence.

    PYTHON_OF_COMFYUI benchmarks/hostile_prompts.py COMFYUI [--count 2000] [--seed 0] [--add]

Every node of the pack with good inputs, some of them replaced: wrong types, NaN, numbers beyond every range, half
characters, links to the wrong place, objects that other packs could link, keys that are missing or too many. One half
is sent to a ComfyUI whose console is UTF-8, one to a ComfyUI whose console is cp437, or cp1252 where ComfyUI itself
does not start on that. After every batch of 50 a normal prompt is run anew and must give the same pixels. Writes
benchmarks/results/hostile_prompts.json; with --add the counts of this run, of another seed, are added to what is there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "nodes"), str(ROOT / "tests")]

from graphs import chain  # noqa: E402
from hostile import NODE, SINK, VALUE, Case, cases  # noqa: E402
from hostile_values import LINKED  # noqa: E402

from tests.workflows.server import Server  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "hostile_prompts.json"
BATCH = 50
PATIENCE = 300  # seconds that no prompt may take
CONSOLES = (("utf-8",), ("cp437", "cp1252"))
"""Encodings of the consoles; of each group the first on which ComfyUI itself starts."""


class Dead(Exception):
    """The server answers no more, or works on nothing that is sent."""


class Sender:
    """Sends prompts to one ComfyUI, and starts another where it died."""

    def __init__(self, comfyui: Path, encoding: str) -> None:
        self.comfyui, self.encoding = comfyui, encoding
        self.server: Server | None = None

    def start(self) -> Server:
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        pack = ROOT / "tests" / "nodes" / "hostile_pack"
        server = Server(self.comfyui, Path(self.folder.name), with_files=False, packs=[pack], encoding=self.encoding)
        self.server = server.__enter__()
        return self.server

    def stop(self) -> None:
        if self.server is not None:
            self.server.__exit__(None, None, None)
            self.folder.cleanup()
        self.server = None

    def post(self, path: str, data: Any) -> tuple[int, Any]:
        """Status and answer of ComfyUI."""
        server = self.server or self.start()
        head = {"content-type": "application/json"}
        asked = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", json.dumps(data).encode(), head)
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            text = error.read().decode("utf-8", "replace")
            return error.code, json.loads(text) if text[:1] == "{" else text
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            raise Dead(f"no answer: {error}") from None

    def ran(self, number: str) -> dict[str, Any]:
        """What the history says of a prompt.

        Raises:
            Dead: it says nothing.
        """
        assert self.server is not None
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                found = self.server.get(f"/history/{number}").get(number)
            except urllib.error.HTTPError:
                return {"status": {"status_str": "unknown", "messages": []}}
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                raise Dead(f"no answer: {error}") from None
            if found:
                return found
            if "Exception in thread" in self.server.log.read_text(errors="replace")[-20_000:]:
                raise Dead("the thread that works on the queue has ended")
            time.sleep(0.005)
        raise Dead(f"no result within {PATIENCE} s")


def outcome(sender: Sender, case: Case) -> tuple[str, str]:
    """How a prompt ended, and what was said.

    "worked", "said" (one of the library's sentences), "refused" (by ComfyUI's own check), "failed in ComfyUI" (its own
    check failed, before anything of the pack ran), "cryptic" or "dead".
    """
    status, answer = sender.post("/prompt", {"prompt": case.prompt()})
    if status != 200 or "prompt_id" not in answer:
        text = json.dumps(answer)
        ours = "vace_core" in text or "/vace/nodes" in text
        kind = "cryptic" if ours else "refused" if status == 400 else "failed in ComfyUI"
        return kind, text[:600]
    history = sender.ran(answer["prompt_id"])
    messages = dict(history["status"]["messages"])
    if history["status"]["status_str"] == "success":
        return "worked", ""
    if history["status"]["status_str"] == "unknown":
        return "failed in ComfyUI", "its history cannot be read"
    error = messages.get("execution_error", {})
    said = f"{error.get('exception_type')}: {error.get('exception_message', '').strip()}"
    if str(error.get("exception_type")).endswith("DependencyCycleError"):
        return "refused", said
    if error.get("node_type") in (VALUE, SINK):
        return "cryptic", f"{error['node_type']}: {said}"
    module, _, name = str(error.get("exception_type")).rpartition(".")
    sentence = module.endswith("vace_core.errors") and name != "VaceError"
    return ("said" if sentence else "cryptic"), said


def normal(number: int) -> dict[str, Any]:
    """A prompt as people send it. Without guidance the negative one changes nothing, and makes it one of its own."""
    return chain(
        clip=("VaceExampleClip", {"scene": "circle that moves right", "length": 17}),
        model=("VaceLoadStarter", {}),
        task=("VaceInpaintVideo", {"images": ("clip", 0), "mask": ("clip", 2), "fps": ("clip", 1), "fit": "starter",
                                   "prompt": "a red circle moves right", "negative_prompt": str(number)}),
        sample=("VaceSampleVideo", {"model": ("model", 0), "vcu": ("task", 0), "seed": 1, "steps": 2, "cfg": 1.0,
                                    "shift": 0.0, "sampler": "unipc", "strength": 1.0, "start_percent": 0.0,
                                    "end_percent": 1.0}),
        decode=("VaceDecodeVideo", {"samples": ("sample", 0), "vcu": ("task", 0), "vae": ("model", 0), "feather": 0,
                                    "match_colour": False}),
        look=("PreviewImage", {"images": ("decode", 0)}),
    )  # fmt: skip


def normal_hash(sender: Sender, number: int) -> str:
    """Of the pixels that the normal prompt gives, run anew."""
    from PIL import Image

    status, answer = sender.post("/prompt", {"prompt": normal(number)})
    if status != 200:
        return f"refused: {json.dumps(answer)[:300]}"
    history = sender.ran(answer["prompt_id"])
    messages = dict(history["status"]["messages"])
    if history["status"]["status_str"] != "success":
        return f"failed: {messages.get('execution_error', {}).get('exception_message')}"
    if {"task", "sample", "decode"} & set(messages["execution_cached"]["nodes"]):
        return "not run anew"
    assert sender.server is not None
    found = hashlib.sha256()
    for one in history["outputs"]["look"]["images"]:
        picture = sender.server.fetch("/view", filename=one["filename"], type=one["type"], subfolder=one["subfolder"])
        found.update(Image.open(BytesIO(picture)).tobytes())
    return found.hexdigest()[:16]


def started(comfyui: Path, encodings: tuple[str, ...]) -> Sender:
    """A sender to a ComfyUI with the first of the consoles on which it starts."""
    for encoding in encodings[:-1]:
        sender = Sender(comfyui, encoding)
        try:
            sender.start()
        except AssertionError:  # its own words cannot be printed there
            continue
        return sender
    sender = Sender(comfyui, encodings[-1])
    sender.start()
    return sender


def measured(comfyui: Path, count: int, seed: int, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The outcome of `count` prompts; after every batch `keep` gets what is known."""
    counted, bad, hashes = Counter[str](), list[dict[str, Any]](), Counter[str]()
    nodes, sentences, longest, start = Counter[str](), set[str](), 0.0, time.monotonic()
    consoles = list[str]()

    def result() -> dict[str, Any]:
        return {
            "prompts": sum(counted.values()),
            "consoles": consoles,
            "nodes": len(nodes),
            "outcomes": dict(counted),
            "different sentences": len(sentences),
            "longest sentence": max(map(len, sentences), default=0),
            "normal prompts": sum(hashes.values()),
            "their hashes": dict(hashes),
            "slowest prompt, s": round(longest, 1),
            "seconds": round(time.monotonic() - start),
            "bad": bad,
        }

    for half, encodings in enumerate(CONSOLES):
        sender = started(comfyui, encodings)
        encoding = sender.encoding
        consoles.append(encoding)
        info = sender.server.get("/object_info")  # type: ignore[union-attr]
        forms = {name: form for name, form in info.items() if name.startswith("Vace") and name not in (VALUE, SINK)}
        try:
            for number, case in enumerate(cases(forms, LINKED, count // len(CONSOLES), seed * len(CONSOLES) + half)):
                before = time.monotonic()
                try:
                    kind, text = outcome(sender, case)
                except Dead as dead:
                    kind, text = "dead", f"{dead}: {sender.server.log.read_text(errors='replace')[-3000:]}"  # type: ignore[union-attr]
                    sender.stop()
                longest = max(longest, time.monotonic() - before)
                counted[kind] += 1
                nodes[case.node_id] += 1
                if kind == "said":
                    sentences.add(text)
                if kind in ("dead", "cryptic"):
                    bad.append({"kind": kind, "console": encoding, "node": case.node_id, "said": text,
                                "prompt": repr(case.prompt()[NODE])[:1500]})  # fmt: skip
                    print(kind, encoding, case.node_id, ascii(text[:400]), ascii(bad[-1]["prompt"][:700]), flush=True)
                if number % BATCH == BATCH - 1:
                    try:
                        hashes[normal_hash(sender, number)] += 1
                    except Dead as dead:
                        hashes[f"dead: {dead}"] += 1
                        sender.stop()
                    keep(result())
                    print(f"{encoding} {number + 1}: {dict(counted)} {dict(hashes)}", flush=True)
        finally:
            sender.stop()
    return result()


def added(before: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """What two runs found together; of sentences there are as many as in the run that had more."""
    tables = ("outcomes", "their hashes")
    sums = ("seeds", "prompts", "normal prompts", "seconds", "bad")
    return {
        **{name: max(before[name], one) for name, one in found.items() if name not in (*tables, *sums)},
        **{name: before[name] + found[name] for name in sums},
        **{name: dict(Counter(before[name]) + Counter(found[name])) for name in tables},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comfyui", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--add", action="store_true", help="to the counts of another seed")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    version = (options.comfyui / "comfyui_version.py").read_text(encoding="utf-8").split('"')[1]

    known = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    before = known.get(f"ComfyUI {version}") if options.add else None

    def keep(found: dict[str, Any]) -> None:
        alone = {"seeds": [options.seed], **found}
        known[f"ComfyUI {version}"] = alone if before is None else added(before, alone)
        options.out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")

    keep(measured(options.comfyui.resolve(), options.count, options.seed, keep))
    found = known[f"ComfyUI {version}"]
    print(json.dumps({name: one for name, one in found.items() if name != "bad"}, indent=1))


if __name__ == "__main__":
    main()
