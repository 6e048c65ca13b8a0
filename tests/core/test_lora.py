"""LoRA files: every style of names changes the same weights, and what does not fit is said before anything is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_ltx
import torch
from filling import relative
from lora_files import ALPHA, RANK, added, dotted, factors, kohya, write
from model_files import LAYERS, SIZES, float8, full_weights, released_shapes, write_gguf, write_sparse
from refused import refused

from vace_core.adapter import Attachment
from vace_core.errors import InputError, ModelError, WeightsError
from vace_core.loading.assembly import lora_changes
from vace_core.loading.load import load_adapter, load_base
from vace_core.loading.lora import Lora
from vace_core.models.ltx import keys as ltx_keys
from vace_core.models.wan import keys as wan_keys
from vace_core.starter.opened import open_model

WAN_LAYERS = ("blocks.0.self_attn.q", "blocks.3.cross_attn.o", "blocks.1.ffn.2", "time_projection.1", "head.head",
              "vace_blocks.0.self_attn.v", "vace_blocks.1.ffn.0", "vace_blocks.1.after_proj")  # fmt: skip
LTX_LAYERS = ("transformer_blocks.1.attn1.to_q", "transformer_blocks.3.ff.net.0.proj", "adaln_single.linear",
              "transformer_context_blocks.2.attn2.to_out.0", "transformer_context_blocks.0.before_proj")  # fmt: skip


def ltx_weights():
    adapter = tiny_ltx.adapter().state_dict()
    named = {ltx_keys.official_adapter_key(name, tiny_ltx.LAYERS): value for name, value in adapter.items()}
    return dict(tiny_ltx.base().state_dict()) | named


FAMILIES = {
    "wan": (full_weights, LAYERS, WAN_LAYERS, wan_keys.diffusers_key),
    "ltx": (ltx_weights, tiny_ltx.LAYERS, LTX_LAYERS, ltx_keys.diffusers_key),
}
# By a style of names: what makes it of factors and the names of diffusers, and alpha over rank.
STYLES = {
    "kohya": (lambda layers, theirs: kohya(layers), ALPHA / RANK),
    "kohya, diffusers names": (kohya, ALPHA / RANK),
    "official": (lambda layers, theirs: dotted(layers), 1.0),
    "official with alpha": (
        lambda layers, theirs: dotted(layers, ends=("lora_up.weight", "lora_down.weight"), alpha=True),
        ALPHA / RANK,
    ),
    "bare, an adapter named": (
        lambda layers, theirs: dotted(layers, "", ("lora_B.default.weight", "lora_A.default.weight")),
        1.0,
    ),
    "diffusers": (lambda layers, theirs: dotted(layers, "transformer.", rename=theirs), 1.0),
    "peft": (lambda layers, theirs: dotted(layers, "base_model.model.", rename=theirs), 1.0),
}


def loaded(path, layers, changes, **options):
    """Official weights of base and adapter."""
    base = load_base(path, changes=changes, **options)
    adapter = load_adapter(path, context_layers=layers, changes=changes, **options)
    return dict(base.state_dict()), dict(adapter.state_dict())


def model_at(folder: Path, weights) -> Path:
    return write(folder / "model.safetensors", weights)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_style_of_names_changes_the_same_weights(tmp_path, caplog, family, style):
    make, context_layers, layers, theirs = FAMILIES[family]
    weights = make()
    named = factors({name: tuple(value.shape) for name, value in weights.items()}, layers)
    write_style, scale = STYLES[style]
    path = model_at(tmp_path, weights)
    lora = write(tmp_path / "lora.safetensors", write_style(named, theirs))
    (changes,) = lora_changes([Lora(path=lora, strength=0.7)], [path], [path])
    wanted = write(tmp_path / "wanted.safetensors", added(weights, named, 0.7 * scale))
    for got, whole in zip(loaded(path, context_layers, changes), loaded(wanted, context_layers, None), strict=True):
        assert got.keys() == whole.keys()
        assert max(float((got[name] - whole[name]).abs().max()) for name in got) < 1e-6
    assert not caplog.records


def test_several_add_up_and_are_rounded_once(tmp_path):
    weights = {name: value.bfloat16() for name, value in full_weights().items()}
    path = model_at(tmp_path, weights)
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    named = [factors(shapes, WAN_LAYERS[:2], seed) for seed in (1, 2)]
    loras = [
        Lora(path=write(tmp_path / f"{index}.safetensors", dotted(one)), strength=strength)
        for index, (one, strength) in enumerate(zip(named, (0.5, -1.0), strict=True))
    ]
    (changes,) = lora_changes(loras, [path])
    base = load_base(path, changes=changes).state_dict()
    exact = added(added({name: value.float() for name, value in weights.items()}, named[0], 0.5), named[1], -1.0)
    assert base["blocks.0.self_attn.q.weight"].dtype == torch.bfloat16
    for name, value in base.items():
        assert (value != exact[name].bfloat16()).float().mean() < 1e-3, name  # but for halves on the edge


def test_whole_differences_biases_and_modulation_of_lightx2v(tmp_path):
    weights = full_weights()
    path = model_at(tmp_path, weights)
    changed = {"head.head.weight": "head.head.diff", "blocks.1.norm3.weight": "blocks.1.norm3.diff",
               "blocks.0.self_attn.q.bias": "blocks.0.self_attn.q.diff_b", "head.modulation": "head.diff_m",
               "blocks.2.modulation": "blocks.2.diff_m", "patch_embedding.weight": "patch_embedding.diff"}  # fmt: skip
    differences = {name: torch.full_like(weights[name], 0.25) for name in changed}
    file = {f"diffusion_model.{changed[name]}": value for name, value in differences.items()}
    (changes,) = lora_changes([Lora(path=write(tmp_path / "l.safetensors", file), strength=2.0)], [path])
    base = load_base(path, changes=changes).state_dict()
    for name, value in base.items():
        assert torch.equal(value, weights[name] + 0.5 if name in changed else weights[name]), name


def test_the_alpha_in_the_header_of_diffusers_counts(tmp_path):
    weights = full_weights()
    path = model_at(tmp_path, weights)
    named = factors({name: tuple(value.shape) for name, value in weights.items()}, WAN_LAYERS[:1])
    config = {"lora_adapter_metadata": json.dumps({"transformer.lora_alpha": 8, "transformer.r": RANK})}
    file = dotted(named, "transformer.", rename=wan_keys.diffusers_key)
    (changes,) = lora_changes([Lora(path=write(tmp_path / "l.safetensors", file, config))], [path])
    got = load_base(path, changes=changes).state_dict()[f"{WAN_LAYERS[0]}.weight"]
    assert relative(got, added(weights, named, 8 / RANK)[f"{WAN_LAYERS[0]}.weight"]) < 1e-6


def test_the_alpha_beside_a_lora_of_peft_counts(tmp_path):
    weights = full_weights()
    path = model_at(tmp_path, weights)
    named = factors({name: tuple(value.shape) for name, value in weights.items()}, WAN_LAYERS[:1])
    folder = tmp_path / "peft"
    folder.mkdir()
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 8, "use_dora": False, "alpha_pattern": {}}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    file = write(folder / "adapter_model.safetensors", dotted(named, "base_model.model."))
    write(folder / "other.safetensors", dotted(named))
    for chosen, scale in ((file, 8 / RANK), (folder / "other.safetensors", 1.0)):
        (changes,) = lora_changes([Lora(path=chosen)], [path])
        got = load_base(path, changes=changes).state_dict()[f"{WAN_LAYERS[0]}.weight"]
        assert relative(got, added(weights, named, scale)[f"{WAN_LAYERS[0]}.weight"]) < 1e-6
    (folder / "adapter_config.json").write_text(json.dumps(config | {"use_rslora": True}))
    with pytest.raises(WeightsError) as error:
        lora_changes([Lora(path=file)], [path])
    assert error.value.code == "lora-faulty"


PACKED = {
    "fp8": lambda folder: write(folder / "packed.safetensors", float8(full_weights())),
    "gguf": lambda folder: write_gguf(folder / "packed.gguf", full_weights(), "Q8_0"),
}


@torch.no_grad()
@pytest.mark.parametrize("kind", PACKED)
def test_weights_kept_as_stored_are_changed_when_they_are_used(tmp_path, kind):
    path = PACKED[kind](tmp_path)
    named = factors({name: tuple(value.shape) for name, value in full_weights().items()}, WAN_LAYERS)
    (changes,) = lora_changes([Lora(path=write(tmp_path / "l.safetensors", dotted(named)))], [path], [path])
    kept, merged, plain = (
        (load_base(path, dtype=torch.float32, changes=one, keep_packed=keep),
         load_adapter(path, context_layers=LAYERS, dtype=torch.float32, changes=one, keep_packed=keep))
        for one, keep in ((changes, True), (changes, False), (None, True))
    )  # fmt: skip
    assert [weight.dtype for weight in kept[0].parameters()] == [weight.dtype for weight in plain[0].parameters()]
    assert velocity(*kept).equal(velocity(*merged))
    assert relative(velocity(*kept), velocity(*plain)) > 1e-2


def velocity(base, adapter):
    generator = torch.Generator().manual_seed(5)
    sizes = ((1, 16, 2, 4, 4), (1, 96, 2, 4, 4), (1, 7, SIZES.text_width))
    latents, context, words = (torch.randn(size, generator=generator) for size in sizes)
    attachment = Attachment(adapter=adapter, context=adapter.embed(context))
    return base(latents, torch.tensor([0.6]), base.prepare_text(words), [attachment])


def test_names_without_a_weight_are_said_with_their_number(tmp_path, caplog):
    path = model_at(tmp_path, full_weights())
    named = factors({name: tuple(value.shape) for name, value in full_weights().items()}, WAN_LAYERS[:1])
    foreign = {"lora_te_text_model.lora_up.weight": torch.zeros(2, 2), "lora_unet_img_emb.alpha": torch.zeros(())}
    file = write(tmp_path / "mixed.safetensors", kohya(named) | foreign)
    lora_changes([Lora(path=file)], [path, path], [path, path])
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("mixed.safetensors: 2 of its 5 names match nothing in this model and are left out: ")
    assert all(name in said for name in foreign)


def faulty(tmp_path, tensors, base=None, metadata=None, **how):
    path = base or model_at(tmp_path, full_weights())
    file = write(tmp_path / "lora.safetensors", tensors, metadata)
    with pytest.raises(ModelError) as error:
        lora_changes([Lora(path=file, **how)], [path])
    return refused(error.value).replace(str(tmp_path), "")


def test_what_matches_nothing_is_refused_before_28_gb_are_read(tmp_path):
    base = write_sparse(tmp_path / "14b.safetensors", released_shapes(14))
    file = {"lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight": torch.zeros(4, 2)}
    assert faulty(tmp_path, file, base) == (
        "lora-matches-nothing: count=1, first=lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight, model=Wan 2.1, "
        "path=/lora.safetensors"
    )


def test_a_lora_of_another_size_is_refused_by_the_name_of_a_weight(tmp_path):
    named = factors(released_shapes(1.3), WAN_LAYERS[:1])
    assert faulty(tmp_path, dotted(named)) == (
        "lora-shape: came=factors of (1536, 4) and (4, 1536), path=/lora.safetensors, shape=(256, 256), "
        "weight=blocks.0.self_attn.q.weight"
    )
    assert faulty(tmp_path, {"blocks.0.norm3.diff": torch.zeros(8)}).startswith("lora-shape: came=a difference of (8,)")


KINDS = {
    "blocks.0.self_attn.q.dora_scale": "DoRA",
    "blocks.0.self_attn.q.lora_magnitude_vector": "DoRA",
    "lora_unet_blocks_0_self_attn_q.hada_w1_a": "LoHa",
    "lora_unet_blocks_0_self_attn_q.lokr_w1": "LoKr",
    "lora_unet_blocks_0_self_attn_q.oft_blocks": "OFT",
    "lora_unet_blocks_0_self_attn_q.lora_mid.weight": "LoCon with a third factor",
}


@pytest.mark.parametrize("name", KINDS)
def test_other_kinds_are_refused_by_their_name(tmp_path, name):
    named = factors({"blocks.0.self_attn.q.weight": (256, 256)}, WAN_LAYERS[:1])
    said = faulty(tmp_path, dotted(named) | {name: torch.zeros(2)})
    assert said == f"lora-kind: kind={KINDS[name]}, name={name}, path=/lora.safetensors"


def test_half_a_lora_and_two_for_one_weight_are_refused(tmp_path):
    named = factors({"blocks.0.self_attn.q.weight": (256, 256)}, WAN_LAYERS[:1])
    both, half = dotted(named), {}
    for name, value in both.items():
        if "lora_A" in name:
            half[name] = value
    assert "one factor without the other" in faulty(tmp_path, half)
    assert "changes blocks.0.self_attn.q.weight twice" in faulty(tmp_path, both | dotted(named, "transformer."))
    alphas = {"diffusion_model.blocks.0.self_attn.q.alpha": torch.zeros(2)}
    assert "is not one number" in faulty(tmp_path, both | alphas)
    alphas = {name: torch.tensor(torch.nan) for name in alphas}
    assert "is no finite number" in faulty(tmp_path, both | alphas)
    whole = {name: value.to(torch.int8) for name, value in both.items()}
    assert faulty(tmp_path, whole).startswith("lora-kind: kind=whole numbers (I8)")
    each = {"lora_adapter_metadata": json.dumps({"transformer.alpha_pattern": {"q": 3}})}
    assert "for each layer" in faulty(tmp_path, both, metadata=each)


def test_a_lora_may_be_for_one_network_of_a_pair(tmp_path, caplog):
    path = model_at(tmp_path, full_weights())
    named = factors({"blocks.0.self_attn.q.weight": (256, 256)}, WAN_LAYERS[:1])
    file = write(tmp_path / "dance_high_noise.safetensors", dotted(named))
    high, low = (Lora(path=file, noise=noise) for noise in ("high", "low"))
    assert [len(one) for one in lora_changes([high], [path, path])] == [1, 0]
    assert [len(one) for one in lora_changes([low], [path, path])] == [0, 1]
    assert not caplog.records
    assert [len(one) for one in lora_changes([Lora(path=file)], [path, path])] == [1, 1]
    assert [record.getMessage()[:60] for record in caplog.records] == [
        "dance_high_noise.safetensors has high in its name, and chang"
    ]
    with pytest.raises(InputError) as error:
        lora_changes([high], [path])
    assert refused(error.value) == f"lora-noise: noise=high, path={file}"


TYPED = {
    "a.safetensors": ("a.safetensors", 1.0, None),
    "a.safetensors:0.8": ("a.safetensors", 0.8, None),
    "a.safetensors:-0.5:low": ("a.safetensors", -0.5, "low"),
    "a.safetensors:high": ("a.safetensors", 1.0, "high"),
    r"C:\loras\a.safetensors:0.3": (r"C:\loras\a.safetensors", 0.3, None),
    r"C:\loras\a.safetensors": (r"C:\loras\a.safetensors", 1.0, None),
}


@pytest.mark.parametrize("typed", TYPED)
def test_what_is_typed_names_file_strength_and_network(typed):
    lora = Lora.parse(typed)
    assert (str(lora.path), lora.strength, lora.noise) == TYPED[typed]


@pytest.mark.parametrize(
    ("typed", "said"),
    [("a.st", "a.st"), ("b/a.st:0.80", "a.st at 0.8"), ("a.st:high", "a.st, high noise"),
     ("a.st:-2:low", "a.st at -2, low noise")],
)  # fmt: skip
def test_it_is_called_by_its_file_and_by_what_is_unusual(typed, said):
    assert str(Lora.parse(typed)) == said


def test_a_strength_is_a_finite_number():
    with pytest.raises(InputError) as error:
        Lora.parse("a.safetensors:nan")
    assert "The strength of a LoRA" in refused(error.value)


def test_a_model_is_no_lora_and_a_pickle_is_not_opened(tmp_path):
    path = model_at(tmp_path, full_weights())
    with pytest.raises(WeightsError) as error:
        lora_changes([Lora(path=path)], [path])
    assert error.value.code == "lora-matches-nothing"
    (tmp_path / "lora.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(WeightsError) as error:
        lora_changes([Lora(path=tmp_path / "lora.pt")], [path])
    assert error.value.code == "weights-pickled"


def test_the_door_for_python_takes_them_as_text(tmp_path):
    plain = open_model(device="cpu").model.expert
    shape = tuple(plain.base.blocks[0].self_attn.q.weight.shape)
    layers = ("blocks.0.self_attn.q", "vace_blocks.0.self_attn.q")
    named = factors({f"{layer}.weight": shape for layer in layers}, layers)
    file = write(tmp_path / "l.safetensors", kohya(named))
    changed = open_model(device="cpu", lora=[f"{file}:0.5"]).model.expert
    for before, after, layer in (
        (plain.base.blocks[0], changed.base.blocks[0], "blocks.0.self_attn.q"),
        (plain.adapter.context_blocks[0], changed.adapter.context_blocks[0], "vace_blocks.0.self_attn.q"),
    ):
        up, down = named[layer]
        wanted = before.self_attn.q.weight + 0.5 * ALPHA / RANK * up @ down
        assert relative(after.self_attn.q.weight, wanted) < 1e-6
        assert torch.equal(before.self_attn.k.weight, after.self_attn.k.weight)
