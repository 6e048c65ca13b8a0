"""Whatever was done to a base before or after it (LoRA, GGUF, fp8, compilation, offloading), an adapter on it is to the
bit what ComfyUI's own VACE model is to which the same was done."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from unittest import mock

import native_parts
import pytest
import torch
from model_files import write_gguf
from safetensors.torch import save_file
from tiny_files import full_weights

GGUF_PACK = os.environ.get("COMFYUI_GGUF")  # the folder of the pack ComfyUI-GGUF


@pytest.fixture
def both(unit, attach, apply, sample):
    """Latents of `base` with the adapter attached, of ComfyUI's own `native`, and of the base alone."""

    def call(base, native, **options):
        attached, latent = attach(base, unit())
        texts = apply((unit(), 1.0))
        return [sample(model, texts, latent, **options) for model in (attached, native, base)]

    return call


@pytest.fixture
def lora(comfy, plain):
    """LoraLoaderModelOnly with a file that has a LoRA on a layer of every kind of the base's blocks."""
    weights = {}
    for place in ("blocks.0.self_attn.q", "blocks.2.cross_attn.o", "blocks.3.ffn.2"):
        layer = plain.model.diffusion_model.get_submodule(place)
        generator = torch.Generator().manual_seed(len(weights))
        for name, shape in (("down", (4, layer.in_features)), ("up", (layer.out_features, 4))):
            weights[f"diffusion_model.{place}.lora_{name}.weight"] = torch.randn(shape, generator=generator) * 0.1
    folder = comfy.folder / "models" / "loras"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "style.safetensors")
    return lambda model: comfy.nodes.LoraLoaderModelOnly().load_lora_model_only(model, "style.safetensors", 0.8)[0]


class TestLora:
    def test_in_front(self, both, lora, native, plain):
        ours, theirs, alone = both(lora(plain), lora(native))
        assert torch.equal(ours, theirs)
        assert not torch.equal(ours, alone)
        without, *_ = both(plain, native)
        assert not torch.equal(ours, without)

    def test_behind(self, unit, attach, apply, sample, lora, native, plain):
        attached, latent = attach(plain, unit())
        texts = apply((unit(), 1.0))
        ours, theirs = (sample(lora(model), texts, latent) for model in (attached, native))
        assert torch.equal(ours, theirs)


class TestGguf:
    @pytest.fixture(scope="class")
    def pack_of_gguf(self, comfy):
        """ComfyUI-GGUF; what it adds to ComfyUI's folders is taken away again."""
        if GGUF_PACK is None:
            pytest.skip("needs ComfyUI-GGUF: set COMFYUI_GGUF to its folder")
        import folder_paths

        path = Path(GGUF_PACK)
        places = {"submodule_search_locations": [str(path)]}
        spec = importlib.util.spec_from_file_location("gguf_pack", path / "__init__.py", **places)
        pack = importlib.util.module_from_spec(spec)
        with mock.patch.dict(folder_paths.folder_names_and_paths), mock.patch.dict(sys.modules, {"gguf_pack": pack}):
            spec.loader.exec_module(pack)
            yield pack

    @pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
    def test_loaded_by_comfyui_gguf(self, comfy, core, both, lora, kind, pack_of_gguf):
        pack = pack_of_gguf
        folder = comfy.folder / "models" / "diffusion_models"
        folder.mkdir(parents=True, exist_ok=True)
        write_gguf(folder / f"wan_{kind}.gguf", native_parts.base_weights(core), kind)
        base = pack.nodes.UnetLoaderGGUF().load_unet(f"wan_{kind}.gguf")[0]
        # No file holds a quantised base and an adapter of full precision: the two are loaded together here.
        blocks = pack.loader.gguf_sd_loader(str(folder / f"wan_{kind}.gguf"))
        blocks = blocks[0] if isinstance(blocks, tuple) else blocks
        adapter = {name: value for name, value in full_weights(core).items() if name.startswith("vace_")}
        native = loaded({**blocks, **adapter}, pack.ops.GGMLOps())
        native = pack.nodes.GGUFModelPatcher.clone(native)
        ours, theirs, alone = both(base, native)
        assert torch.equal(ours, theirs)
        assert float((ours - alone).abs().max()) > 1e-2
        styled, wanted, _ = both(lora(base), lora(native))
        assert torch.equal(styled, wanted)
        assert not torch.equal(styled, ours)

    def test_unpacked_as_gguf_is_whenever_it_is_used(self, core, both, native):
        """The same without that pack: blocks of 8 bits, unpacked by each layer for each call."""
        ours, theirs, alone = both(
            loaded(native_parts.base_weights(core), blocks_of_8()), loaded(full_weights(core), blocks_of_8())
        )
        assert torch.equal(ours, theirs)
        assert not torch.equal(ours, alone)
        assert not torch.equal(ours, both(native_parts.plain_model(core), native)[0])


class TestPrecision:
    def test_fp8(self, core, pack, unit, attach, apply, sample, tmp_path):
        # The adapter keeps its own precision: with numbers that fp8 has, it is what ComfyUI makes of a whole file.
        kind = torch.float8_e4m3fn
        weights = {
            name: value.to(kind).to(value) if name.startswith("vace_") else value
            for name, value in full_weights(core).items()
        }
        adapter = {name: value.contiguous() for name, value in weights.items() if name.startswith("vace_")}
        save_file(adapter, tmp_path / "adapter.safetensors", metadata={"vace_layers": "[0, 2]"})
        file = pack.nodes.comfy.sockets.AdapterFile(path=tmp_path / "adapter.safetensors")
        base = native_parts.plain_model(core, dtype=kind)
        assert base.model.diffusion_model.blocks[0].ffn[0].weight.dtype == kind
        attached, latent = attach(base, unit(), adapter=file)
        texts = apply((unit(), 1.0))
        with mock.patch.object(native_parts, "full_weights", return_value=weights):
            native = native_parts.vace_model(core, dtype=kind)
        ours, theirs = (sample(model, texts, latent) for model in (attached, native))
        assert torch.equal(ours, theirs)
        assert not torch.equal(ours, sample(base, texts, latent))

    @pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
    def test_halves(self, core, both, kind):
        ours, theirs, _ = both(native_parts.plain_model(core, dtype=kind), native_parts.vace_model(core, dtype=kind))
        assert bool(ours.isfinite().all())
        # ComfyUI keeps the first layer of the adapter in float32, whatever the rest is.
        assert float((ours - theirs).norm() / theirs.norm()) < 1e-2


class TestOffloaded:
    def test_weights_that_stay_off_the_device_are_cast_when_used(self, both, native, plain):
        from comfy import model_management

        wanted = both(plain, native)[0]
        real, rest = model_management.LoadedModel.model_load, {}

        def hardly_any(self, lowvram_model_memory=0, **named):
            done = real(self, 0.1, **named)
            rest[type(self.model.model).__name__] = self.model.loaded_size() / self.model.model_size()
            return done

        model_management.unload_all_models()
        with mock.patch.object(model_management.LoadedModel, "model_load", hardly_any):
            ours = both(plain, native)[0]
        model_management.unload_all_models()
        assert torch.equal(ours, wanted)
        assert rest["ContextAdapter"] < 0.1


class TestCompiled:
    @pytest.fixture(autouse=True)
    def _forgotten(self):
        torch._dynamo.reset()
        yield
        torch._dynamo.reset()

    def test_compiled_as_one_graph(self, unit, attach, sample, plain, texts, monkeypatch):
        import comfy.ldm.modules.attention as attention
        import comfy.ldm.wan.model
        from comfy_api.torch_helpers import set_torch_compile_wrapper

        # That which ComfyUI chooses on a CPU breaks graphs by itself.
        monkeypatch.setattr(comfy.ldm.wan.model, "optimized_attention", attention.attention_pytorch)
        attached, latent = attach(plain, unit(), strength=0.7)
        attached, _ = attach(attached, unit(1), end_percent=0.5)
        expected = sample(attached, texts, latent)
        set_torch_compile_wrapper(attached, backend="eager", fullgraph=True)  # which raises where a graph breaks
        assert torch.equal(sample(attached, texts, latent), expected)

    @pytest.mark.parametrize("order", ["before", "behind"])
    def test_compiled(self, unit, attach, sample, plain, texts, order):
        from comfy_api.torch_helpers import set_torch_compile_wrapper

        counters = torch._dynamo.utils.counters
        base = plain.clone()
        if order == "before":
            set_torch_compile_wrapper(base, backend="eager")
        attached, latent = attach(base, unit(), strength=0.7)
        attached, _ = attach(attached, unit(1), strength=1.3, end_percent=0.5)
        if order == "behind":
            set_torch_compile_wrapper(attached, backend="eager")
        counters.clear()
        ours = sample(attached, texts, latent)
        compiled = counters["stats"]["unique_graphs"]
        again = sample(attached, texts, latent)
        assert compiled > 0
        assert counters["stats"]["unique_graphs"] == compiled  # nothing is compiled twice
        same, _ = attach(plain, unit(), strength=0.7)
        same, _ = attach(same, unit(1), strength=1.3, end_percent=0.5)
        assert torch.equal(ours, sample(same, texts, latent))
        assert torch.equal(ours, again)


def loaded(weights, operations):
    import comfy.sd

    return comfy.sd.load_diffusion_model_state_dict(weights, model_options={"custom_operations": operations})


def blocks_of_8():
    """Layers whose matrices are in GGUF's blocks of 8 bits, all but the adapter's."""
    import comfy.ops

    quants = pytest.importorskip("gguf").quants
    kind = pytest.importorskip("gguf").GGMLQuantizationType.Q8_0

    class Operations(comfy.ops.manual_cast):
        class Linear(comfy.ops.manual_cast.Linear):
            def _load_from_state_dict(self, state, prefix, *rest):
                self.blocks = None
                if not prefix.startswith("vace_"):
                    self.blocks = quants.quantize(state[f"{prefix}weight"].numpy(), kind)
                super()._load_from_state_dict(state, prefix, *rest)

            def forward_comfy_cast_weights(self, x):
                if self.blocks is None:
                    return super().forward_comfy_cast_weights(x)
                weight = torch.from_numpy(quants.dequantize(self.blocks, kind)).to(x)
                return torch.nn.functional.linear(x, weight, self.bias.to(x))

    return Operations
