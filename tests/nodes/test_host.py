"""What the pack asks of ComfyUI: little, from one file, and never a path outside its folders."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch
from refusal import refusal

ROOT = Path(__file__).parents[2]
COMFYUI = ("comfy", "comfy_api", "comfy_execution", "comfy_extras", "execution", "folder_paths", "latent_preview",
           "node_helpers", "nodes", "server")  # fmt: skip

# Every symbol of ComfyUI that is imported. It moves between versions, so: think twice before adding one.
WANTED = {
    ("comfy.ldm.lightricks.model", "BasicTransformerBlock"),
    ("comfy.ldm.lightricks.model", "LTXVModel"),
    ("comfy.ldm.modules", "attention"),
    ("comfy.ldm.wan.model", "WanAttentionBlock"),
    ("comfy.ldm.wan.model", "WanModel"),
    ("comfy.model_management", "get_torch_device"),
    ("comfy.model_management", "load_models_gpu"),
    ("comfy.model_management", "soft_empty_cache"),
    ("comfy.model_management", "throw_exception_if_processing_interrupted"),
    ("comfy.model_management", "unet_dtype"),
    ("comfy.model_management", "unet_offload_device"),
    ("comfy.model_management", "unload_all_models"),
    ("comfy.model_management", "vae_device"),
    ("comfy.model_management", "vae_dtype"),
    ("comfy.model_management", "vae_offload_device"),
    ("comfy.model_patcher", "ModelPatcher"),
    ("comfy.ops", "cast_bias_weight"),
    ("comfy.ops", "manual_cast"),
    ("comfy.patcher_extension", "WrappersMP"),
    ("comfy.samplers", "CFGGuider"),
    ("comfy.samplers", "KSAMPLER"),
    ("comfy.sd", "CLIPType"),
    ("comfy.sd", "load_clip"),
    ("comfy.sd", "load_diffusion_model"),
    ("comfy.utils", "ProgressBar"),
    ("folder_paths", "folder_names_and_paths"),
    ("folder_paths", "get_directory_by_type"),
    ("folder_paths", "get_filename_list"),
    ("folder_paths", "get_folder_paths"),
    ("folder_paths", "get_full_path"),
    ("folder_paths", "models_dir"),
    ("nodes", "LoadImage"),
    ("server", "PromptServer"),
}
API = {("comfy_api.latest", name) for name in ("ComfyExtension", "InputImpl", "io", "ui")}


def imports(path: Path) -> set[tuple[str, str]]:
    """(module, symbol) of everything of ComfyUI that a file imports, attributes of imported modules included."""
    tree = ast.parse(path.read_text())
    modules, found = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                if node.module == "comfy":
                    modules[alias.asname or alias.name] = f"comfy.{alias.name}"
                else:
                    found.add((node.module, alias.name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            found.add((modules[node.value.id], node.attr))
    return {(module, name) for module, name in found if module.split(".")[0] in COMFYUI}


def test_the_symbols_are_these_and_all_in_two_files():
    files = {path.name: imports(path) for path in (ROOT / "nodes").rglob("*.py")}
    assert (files["host.py"] | files["placement.py"]) - API == WANTED
    for name, found in files.items():
        assert name in ("host.py", "placement.py") or found <= API, name


def test_this_comfyui_has_them(comfy):
    importlib.import_module("comfy.ldm.modules.attention")
    for module, name in WANTED:
        assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


def test_importing_the_pack_touches_nothing():
    """No network, no change of paths or of torch, and none of the packages that only some tasks need."""
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import socket
import standin, torch
standin.install()
class NoSocket(socket.socket):
    def connect(self, *_): raise AssertionError("the network was touched")
socket.socket = NoSocket
state = lambda: (list(sys.path), torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(),
                 torch.backends.cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32, torch.initial_seed())
before, there = state(), set(sys.modules)
import importlib.util, asyncio
spec = importlib.util.spec_from_file_location("pack", {str(ROOT / "__init__.py")!r},
                                              submodule_search_locations=[{str(ROOT)!r}])
pack = importlib.util.module_from_spec(spec); sys.modules["pack"] = pack; spec.loader.exec_module(pack)
assert not [name for name in sys.modules if name.startswith("pack.")]
asyncio.run(asyncio.run(pack.comfy_entrypoint()).get_node_list())
assert state() == before
heavy = {{"cv2", "gguf", "transformers", "av", "typer", "rich", "ftfy", "tqdm"}} & (set(sys.modules) - there)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_missing_package_is_said_where_it_is_needed(run):
    mask = torch.zeros(1, 8, 8)
    mask[0, 4, 4] = 1
    with mock.patch.dict(sys.modules, {"cv2": None}):
        assert refusal(run, "VaceComposeMasks", mask=mask, grow=1) == "opencv-not-installed"
        assert run("VaceInpaintVideo", images=torch.rand(5, 16, 16, 3), mask=torch.ones(1, 16, 16))[0].num_frames == 5


@pytest.mark.parametrize("name", ["../../x.safetensors", "/etc/passwd", "a/../../x.safetensors", "C:\\x", "x\0", ""])
def test_no_path_leaves_the_model_folders(comfy, pack, name):
    outside = comfy.folder / "x.safetensors"
    outside.write_bytes(b"secret")
    (comfy.folder / "models" / "vae").mkdir(parents=True, exist_ok=True)
    said = pack.vace_core.errors.shortened(name)
    assert refusal(pack.nodes.comfy.host.model_path, name, "vae") == f"model-file-missing: folders=vae, name={said}"


def test_only_files_that_are_never_unpickled_are_offered(comfy, pack):
    folder = comfy.folder / "models" / "vae"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("good.safetensors", "good.sft", "bad.pt", "bad.ckpt", "bad.pth", "bad.bin"):
        (folder / name).touch()
    assert set(pack.nodes.comfy.host.model_names("vae", "unknown folder")) == {"good.safetensors", "good.sft"}


def test_a_name_that_is_linked_leaves_a_loader_as_it_was(pack, forms_of_standin):
    """ComfyUI asks for a fingerprint with None for what is linked; an error there makes a node run at every queue."""
    asked = [(name, node) for name, node in pack.by_id.items() if "fingerprint_inputs" in vars(node)]
    assert len(asked) >= 5
    for name, node in asked:
        inputs = forms_of_standin[name]["input"]
        linked = dict.fromkeys([*inputs["required"], *inputs.get("optional", {})])
        assert node.fingerprint_inputs(**linked) == node.fingerprint_inputs(**linked), name
