"""The smallest server the real ComfyUI frontend starts against: no ComfyUI, no torch, only what the editor needs."""

from __future__ import annotations

import asyncio
import io
import threading
from pathlib import Path
from typing import Any

from aiohttp import web
from browser.planned import planned
from PIL import Image, ImageDraw

WEB = Path(__file__).parents[2] / "web"
PICTURE = (640, 360)
SMALL = (96, 64)
MODELS = ("diffusion_models", "text_encoders", "vae", "loras", "checkpoints", "geometry_estimation")
"""Folders for files, all of them empty."""


def _node(name: str, required: dict[str, object], outputs: list[str]) -> dict[str, object]:
    return {
        "name": name,
        "display_name": name,
        "description": "",
        "category": "VACE",
        "python_module": "custom_nodes.vace",
        "input": {"required": required},
        "input_order": {"required": list(required)},
        "output": outputs,
        "output_name": outputs,
        "output_is_list": [False] * len(outputs),
        "output_node": name == "PreviewAny",
    }


def _number(default: float, kind: str = "INT") -> list[object]:
    return [kind, {"default": default, "min": 0.01, "max": 8192}]


PATHS = ["STRING", {"default": "[]", "multiline": False, "tooltip": "Boxes that move, as JSON."}]
PROMPT = ["STRING", {"default": "", "multiline": True}]
NODES = {
    "VaceMoveAnything": _node(
        "VaceMoveAnything",
        {
            "image": ["IMAGE", {}],
            "paths": PATHS,
            "box_size": _number(0.25, "FLOAT"),
            "length": _number(81),
            "fps": _number(16.0, "FLOAT"),
            "fit": [["480p", "720p", "starter", "as it is"], {}],
            "prompt": PROMPT,
            "negative_prompt": PROMPT,
            "model": ["VACE_MODEL", {}],
        },
        ["VACE_VCU"],
    ),
    "VaceLayoutToVideo": _node(
        "VaceLayoutToVideo",
        {
            "paths": PATHS,
            "box_size": _number(0.25, "FLOAT"),
            "width": _number(832),
            "height": _number(480),
            "length": _number(81),
            "fps": _number(16.0, "FLOAT"),
            "prompt": PROMPT,
            "model": ["VACE_MODEL", {}],
        },
        ["VACE_VCU"],
    ),
    "VaceDesk": _node(
        "VaceDesk",
        {
            "clip": ["IMAGE,VIDEO", {}],
            "desk": ["STRING", {"default": "", "multiline": False}],
            "fps": _number(16.0, "FLOAT"),
            "fit": [["480p", "720p", "starter", "as it is"], {}],
            "prompt": PROMPT,
            "negative_prompt": PROMPT,
            "model": ["VACE_MODEL", {}],
        },
        ["VACE_VCU", "MASK", "MASK", "STRING"],
    ),
    "VacePlanWindows": _node(
        "VacePlanWindows",
        {
            "length": _number(161),
            "fps": _number(16.0, "FLOAT"),
            "window": _number(81),
            "overlap": ["INT", {"default": 0, "min": 0, "max": 8192}],
            "prompts": PROMPT,
            "join_by": [["latents", "pinned", "pixels", "overlap", "pyramid"], {}],
            "anchor_colour": [["auto", "none", "shared", "first"], {}],
            "loop": ["BOOLEAN", {"default": False}],
            "keyframes": ["STRING", {"default": ""}],
            "changes": PROMPT,
            "saved_plan": PROMPT,
            "vcu": ["VACE_VCU", {}],
        },
        ["VACE_PLAN"],
    ),
    "VaceChooseModel": _node("VaceChooseModel", {"profile": [["starter", "wan-14b-480p"], {}]}, ["VACE_MODEL"]),
    "VaceLoadStarter": _node("VaceLoadStarter", {}, ["VACE_MODEL"]),
    "VaceUseNativeModel": _node("VaceUseNativeModel", {}, ["VACE_MODEL"]),
    "VacePreviewVCU": _node("VacePreviewVCU", {"model": ["VACE_MODEL", {}]}, ["VACE_MODEL"]),
    "VaceLoadModel": _node("VaceLoadModel", {}, ["VACE_MODEL"]),
    "VaceExampleClip": _node(
        "VaceExampleClip",
        {"scene": [["circle that moves right", "figure that walks"], {}], "length": _number(17)},
        ["IMAGE", "FLOAT", "MASK", "IMAGE"],
    ),
    "LoadImage": _node("LoadImage", {"image": [["scene.png", "tall.png"], {"image_upload": True}]}, ["IMAGE", "MASK"]),
    "ImageScale": _node("ImageScale", {"image": ["IMAGE", {}]}, ["IMAGE"]),
    "PrimitiveInt": _node("PrimitiveInt", {"value": _number(1)}, ["INT"]),
    "MakeText": _node("MakeText", {"text": ["STRING", {"default": ""}]}, ["STRING"]),
    "PreviewAny": _node("PreviewAny", {"source": ["*", {}]}, []),
}


LOADERS = {
    name: _node(name, {}, [])
    for name in (
        "CheckpointLoaderSimple",
        "ImageOnlyCheckpointLoader",
        "LoraLoader",
        "LoraLoaderModelOnly",
        "VAELoader",
        "ControlNetLoader",
        "UNETLoader",
        "UpscaleModelLoader",
        "StyleModelLoader",
        "GLIGENLoader",
    )
}
"""Nodes that every ComfyUI has: 1.27.10 makes no widget for a model where one of them is absent."""


def picture(name: str) -> bytes:
    """A little landscape for screenshots; "tall" is upright, "small" as the starter model takes it."""
    width, height = PICTURE if "tall" not in name else PICTURE[::-1]
    if "small" in name:
        width, height = SMALL
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for y in range(height):
        shade = y / height
        draw.line([(0, y), (width, y)], fill=(int(120 + 90 * shade), int(170 + 40 * shade), int(225 - 40 * shade)))
    draw.ellipse([width * 0.74, height * 0.1, width * 0.86, height * 0.1 + width * 0.12], fill=(255, 236, 170))
    ground = [(0, height), (0, height * 0.7), (width * 0.3, height * 0.6), (width, height * 0.72), (width, height)]
    draw.polygon(ground, fill=(96, 140, 92))
    draw.ellipse([width * 0.14, height * 0.5, width * 0.32, height * 0.5 + width * 0.18], fill=(200, 70, 60))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


class Backend:
    """Serves one frontend package on a free port, from a thread of its own, until `close`.

    Attributes:
        settings: Of the frontend.
    """

    def __init__(
        self,
        frontend: Path,
        *,
        nodes: dict[str, Any] = NODES,
        packs: dict[str, Path] | None = None,
        folders: dict[str, Path] | None = None,
    ) -> None:
        """Serves `nodes` as the server's own, `packs` as web folders of node packs, `folders` beside all that."""
        self.settings: dict[str, object] = {}
        self._frontend = frontend
        self._jobs = 0
        self._nodes = nodes
        self._packs = packs or {"vace": WEB}
        self._folders = folders or {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._ready.wait(60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = web.AppRunner(self._app())
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self._port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())

    def _app(self) -> web.Application:
        app = web.Application()
        scripts = [
            f"/extensions/{name}/{path.relative_to(folder).as_posix()}"
            for name, folder in self._packs.items()
            for path in sorted(folder.rglob("*.js"))
        ]
        answers = {
            "/api/users": {"storage": "server", "migrated": True},
            "/api/settings": self.settings,
            "/api/extensions": scripts,
            "/api/object_info": self._nodes,
            "/api/system_stats": {"system": {"os": "posix", "argv": [], "comfyui_version": "0"}, "devices": []},
            "/api/queue": {"queue_running": [], "queue_pending": []},
            "/api/userdata": [],
            "/api/experiment/models": [{"name": name, "folders": []} for name in MODELS],
        }
        for empty in ("i18n", "history", "features", "workflow_templates", "global_subgraphs", "node_replacements"):
            answers[f"/api/{empty}"] = {}
        pages = {"offset": 0, "limit": 200, "total": 0, "has_more": False}
        answers["/api/jobs"] = {"jobs": [], "pagination": pages}
        answers |= {f"/api/experiment/models/{name}": [] for name in MODELS}
        for path, answer in answers.items():
            app.router.add_get(path, _answering(answer))
        app.router.add_get("/api/view", _view)
        app.router.add_get("/ws", _socket)
        app.router.add_post("/api/vace/desk/{route}", _desk)
        app.router.add_post("/api/vace/plan/windows", _plan)
        app.router.add_post("/api/prompt", self._queue)
        app.router.add_post("/api/settings/{name}", self._set)
        app.router.add_post("/api/settings", self._set)
        app.router.add_get("/", self._index)
        served = {f"extensions/{name}": folder for name, folder in self._packs.items()} | self._folders
        for path, folder in served.items():
            app.router.add_static(f"/{path}", folder)
        app.router.add_static("/", self._frontend)
        return app

    async def _index(self, _request: web.Request) -> web.FileResponse:
        return web.FileResponse(self._frontend / "index.html")

    async def _queue(self, _request: web.Request) -> web.Response:
        """Takes a job, which is never worked on: "job 1", "job 2" and so on."""
        self._jobs += 1
        return web.json_response({"prompt_id": f"job {self._jobs}", "number": self._jobs, "node_errors": {}})

    async def _set(self, request: web.Request) -> web.Response:
        value, name = await request.json(), request.match_info.get("name")
        self.settings.update({name: value} if name else value)
        return web.Response()


def _answering(answer: object):
    async def handler(_request: web.Request) -> web.Response:
        return web.json_response(answer)

    return handler


async def _view(request: web.Request) -> web.Response:
    return web.Response(body=picture(request.query.get("filename", "")), content_type="image/png")


DESK_FRAMES = 17
TAKEN = {"width": 64, "height": 64, "length": 17, "fps": 8.0}
"""What a model takes, whichever is asked about."""
REFUSED = "The clip gone.mp4 cannot be read. A video or a picture is needed. Choose another file."


async def _desk(request: web.Request) -> web.Response:
    """The pack's routes, as far as the desk can tell: of a clip of 17 frames in which nothing is known but its size."""
    asked, route = await request.json(), request.match_info["route"]
    if route == "model":
        return web.json_response(TAKEN)
    if str(asked["clip"].get("file", "")).startswith("gone"):
        return web.json_response({"code": "clip-unreadable", "message": REFUSED}, status=400)
    if route == "select":
        (x, y), side = asked["inside"][0], 0.1
        area = [[x - side, y - side], [x + side, y - side], [x + side, y + side], [x - side, y + side]]
        return web.json_response({"strokes": [{"kind": "lasso", "points": area}]})
    if route == "track":
        first = asked["object"]["keys"][0]
        times = [n / (DESK_FRAMES - 1) for n in range(1, DESK_FRAMES)]
        found = [first | {"time": time, "x": first["x"] + 0.3 * time, "tracked": True} for time in times]
        return web.json_response({"keys": found})
    facts = {"Frames": DESK_FRAMES, "Width": PICTURE[0], "Height": PICTURE[1], "Fps": 4}
    headers = {f"X-Vace-{name}": str(value) for name, value in facts.items()} | {"X-Vace-Notes": "17%20frames"}
    return web.Response(body=picture(route), content_type="image/png", headers=headers)


async def _plan(request: web.Request) -> web.Response:
    status, answer = planned(await request.json())
    return web.json_response(answer, status=status)


async def _socket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    status = {"status": {"exec_info": {"queue_remaining": 0}}, "sid": request.query.get("clientId", "test")}
    await socket.send_json({"type": "status", "data": status})
    async for _message in socket:
        pass
    return socket
