"""Prompts are read once, not anew for every window, seed and network of a pair, and only those that count."""

from __future__ import annotations

import native_parts
import pytest
import torch

WORDS = {"prompt": "a dog", "negative_prompt": "blurred"}
OPTIONS = {"steps": 1, "shift": 3.0, "sampler": "euler"}


class _Encoder(torch.nn.Module):
    """Stands for umT5 within ComfyUI's CLIP: rows from letters and one weight, and how often it was asked."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Linear(1, 1, bias=False)
        self.scale.weight.data.fill_(4.0)
        self.dtypes, self.asked = {torch.float32}, []

    def reset_clip_options(self):
        pass

    def set_clip_options(self, options):
        pass

    def encode_token_weights(self, tokens):
        letters = tokens["umt5xxl"][0]
        self.asked.append("".join(chr(letter) for letter, _ in letters))
        rows = torch.zeros(1, 512, 4096)
        rows[0, torch.arange(len(letters)), torch.tensor([letter % 64 for letter, _ in letters])] = 1.0
        return rows * self.scale.weight.detach(), None


class _Letters:
    def tokenize_with_weights(self, text, return_word_ids=False, **more):
        return {"umt5xxl": [[(ord(letter), 1.0) for letter in text or " "]]}


@pytest.fixture
def clip(comfy):
    """ComfyUI's own CLIP and its patcher around an encoder that counts."""
    import comfy.model_patcher
    import comfy.sd

    made, cpu = comfy.sd.CLIP(no_init=True), torch.device("cpu")
    made.cond_stage_model, made.tokenizer = _Encoder(), _Letters()
    made.patcher = comfy.model_patcher.ModelPatcher(made.cond_stage_model, load_device=cpu, offload_device=cpu)
    made.layer_idx, made.use_clip_schedule, made.apply_hooks_to_conds = None, False, None
    made.tokenizer_options = {}
    return made


@pytest.fixture(scope="module")
def parts(comfy, pack):
    with torch.inference_mode():
        return native_parts.vace_model(pack.vace_core), native_parts.vae(pack.vace_core)


@pytest.fixture
def native(run, parts, clip):
    return run("VaceUseNativeModel", model=parts[0], clip=clip, vae=parts[1])[0]


def asked_of(clip):
    asked = list(clip.cond_stage_model.asked)
    clip.cond_stage_model.asked.clear()
    return asked


@pytest.fixture
def sampled(run, native, clip):
    def call(**changes):
        model = changes.pop("model", native)
        vcu = run("VaceTextToVideo", width=48, height=32, length=5, **{**WORDS, **changes.pop("words", {})})[0]
        made = run("VaceSampleVideo", model=model, vcu=vcu, **{**OPTIONS, "cfg": 2.0, **changes})[0]["samples"]
        return made, asked_of(clip)

    return call


def test_another_seed_reads_nothing_again(sampled):
    first, asked = sampled(seed=1)
    assert asked == ["a dog", "blurred"]
    other, asked = sampled(seed=2)
    assert asked == []
    assert not torch.equal(first, other)
    again, _ = sampled(seed=1)
    assert torch.equal(again, first)
    assert sampled(words={"prompt": "a cat"})[1] == ["a cat"]


def test_a_negative_prompt_is_read_where_it_counts(sampled, run, parts, clip):
    assert sampled(cfg=1.0)[1] == ["a dog"]
    anyway = parts[0].clone()
    anyway.model_options["disable_cfg1_optimization"] = True
    model = run("VaceUseNativeModel", model=anyway, clip=clip, vae=parts[1])[0]
    assert sampled(cfg=1.0, model=model)[1] == ["blurred"]


def test_a_clip_with_a_lora_is_another_one(pack, clip):
    conditioning = pack.nodes.comfy.kept_texts.conditioning
    plain = conditioning(clip, "a dog")[0][0]
    patched = clip.clone()
    patched.add_patches({"scale.weight": (torch.ones(1, 1),)})
    with_lora = conditioning(patched, "a dog")[0][0]
    assert torch.equal(with_lora.unique(), torch.tensor([0.0, 5.0]))
    assert asked_of(clip) == ["a dog", "a dog"]
    assert torch.equal(conditioning(clip.clone(), "a dog")[0][0], plain)
    assert torch.equal(conditioning(patched, "a dog")[0][0], with_lora)
    assert asked_of(clip) == []


def test_what_is_given_out_may_be_changed(pack, clip):
    conditioning = pack.nodes.comfy.kept_texts.conditioning
    wanted = conditioning(clip, "a dog")[0][0].clone()
    for _ in range(2):
        ((rows, more),) = conditioning(clip, "a dog")
        assert torch.equal(rows, wanted)
        assert "area" not in more
        rows.zero_()
        more["area"] = 1


def test_what_cannot_be_told_apart_is_read_again(pack, clip, monkeypatch):
    conditioning = pack.nodes.comfy.kept_texts.conditioning
    hooked = clip.clone()
    hooked.apply_hooks_to_conds = object()
    embedding = clip.clone()
    embedding.tokenizer = _Letters()
    monkeypatch.setattr(
        embedding.tokenizer, "tokenize_with_weights",
        lambda *_, **__: {"umt5xxl": [[(torch.tensor(70), 1.0)]]}, raising=False,
    )  # fmt: skip
    for one in (hooked, embedding):
        for _ in range(2):
            conditioning(one, "F")
    assert asked_of(clip) == ["F"] * 4


def test_the_oldest_is_dropped_where_there_are_too_many(pack, clip, monkeypatch):
    kept = pack.nodes.comfy.kept_texts
    monkeypatch.setattr(kept, "BYTES", 2 * 512 * 4096 * 4)
    for words in ("a", "b", "c", "b", "c", "a"):
        kept.conditioning(clip, words)
    assert asked_of(clip) == ["a", "b", "c", "a"]


@pytest.mark.parametrize(("cfg", "negative"), [(1.0, []), (2.0, ["blurred"])])
def test_a_long_clip_reads_its_prompts_before_its_windows(run, native, clip, monkeypatch, pack, cfg, negative):
    """Each once, whatever is kept beside the encoder; of one window that is made again its own alone."""
    monkeypatch.setattr(pack.nodes.comfy.kept_texts, "BYTES", 0)
    vcu = run("VaceTextToVideo", width=48, height=32, length=17, **WORDS)[0]
    plan = run("VacePlanWindows", vcu=vcu, window=9, overlap=5, prompts="[0-0.5s] a cat | [0.5s] a dog")[0]
    given = {"model": native, "vcu": vcu, "plan": plan, "cfg": cfg, **OPTIONS}
    made = run("VaceSampleLongVideo", **given)[0]
    assert len(plan.plan) > 1
    asked = asked_of(clip)
    assert sorted(asked) == sorted(["a cat", "a dog", *negative])
    run("VaceSampleLongVideo", **given, redo=0, made=made)
    assert asked_of(clip) == ["a cat", *negative]
