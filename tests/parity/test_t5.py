"""T5 as LTX-Video reads it, against diffusers and transformers."""

from __future__ import annotations

import types

import pytest
import torch
from filling import relative
from refused import refused
from safetensors.torch import save_file
from tiny_t5 import load_umt5

from vace_core.errors import WeightsError
from vace_core.loading.t5 import load_text
from vace_core.models.ltx.text import T5, clean

transformers = pytest.importorskip("transformers")
sentencepiece = pytest.importorskip("sentencepiece")
pytest.importorskip("ftfy")
diffusers = pytest.importorskip("diffusers")
tokenizers = pytest.importorskip("tokenizers")
write_t5 = pytest.importorskip("tiny_t5").write_t5

PROMPTS = [
    "",
    "a red circle moves left",
    "A Cat,\n\tsitting & waiting… it\u2019s\u00a0raining",
    "An old man (close-up) — wearing a hat,smiling; the \u201cgolden\u201d hour.",
    "black/white film*, 35 mm [grainy]",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An encoder as it lies beside the released model: text_encoder/ and tokenizer/."""
    return write_t5(tmp_path_factory.mktemp("t5"))


@torch.no_grad()
def ask_theirs(folder, prompt: str) -> torch.Tensor:
    """What transformers gives for the tokens, padded to 128 behind a mask as LTX's own code does it."""
    theirs = transformers.T5EncoderModel.from_pretrained(folder / "text_encoder").eval()
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer" / "spiece.model"))
    numbers = [*pieces.encode(clean(prompt))[:127], 1]
    ids = torch.tensor([numbers + [0] * (128 - len(numbers))])
    mask = torch.tensor([[1] * len(numbers) + [0] * (128 - len(numbers))])
    return theirs(ids, attention_mask=mask).last_hidden_state[:, : len(numbers)]


@pytest.mark.parametrize("prompt", [*PROMPTS, "word " * 300])
def test_prompts_are_encoded_as_transformers_does_behind_a_mask(folder, prompt):
    ours = load_text(folder, dtype=torch.float32)
    assert ours.kind is T5
    wanted = ask_theirs(folder, prompt)
    assert ours.encode(prompt).shape == wanted.shape
    assert relative(ours.encode(prompt), wanted) <= 3e-6


def test_a_long_prompt_is_cut_and_said(folder, caplog):
    assert load_text(folder, dtype=torch.float32).encode("cat " * 300).shape[1] == 128
    assert "LTX-Video reads 127: its last" in caplog.text


@pytest.mark.parametrize("prompt", PROMPTS)
def test_prompts_as_people_write_them_are_cleaned_as_the_official_pipeline_does(prompt, monkeypatch):
    """Its rules for captions are those of PixArt in diffusers, and it applies them twice."""
    from diffusers.pipelines.pixart_alpha import pipeline_pixart_alpha as theirs

    monkeypatch.setattr(theirs, "BeautifulSoup", lambda text, features: types.SimpleNamespace(text=text), raising=False)
    pixart = theirs.PixArtAlphaPipeline.__new__(theirs.PixArtAlphaPipeline)
    for name, package in (("html", "html"), ("ftfy", "ftfy")):
        monkeypatch.setattr(theirs, name, pytest.importorskip(package), raising=False)
    wanted = pixart._clean_caption(pixart._clean_caption(prompt))
    assert clean(prompt) == wanted


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("A sign: 老虎 free shipping", "a sign: 老虎 free shipping"),
        ("a 3x4 grid, page 5 of abc123", "a 3x4 grid, page 5 of abc123"),
        ("sci\u2011fi \u2014\u2014 city", "sci-fi - city"),
    ],
)
def test_words_of_a_prompt_are_never_deleted(prompt, wanted):
    assert clean(prompt) == wanted


def test_umt5_is_asked_for_and_t5_comes(folder):
    with pytest.raises(WeightsError) as error:
        load_umt5(folder)
    assert refused(error.value) == (
        "text-encoder-wrong-part: example=umt5_xxl_fp16.safetensors, needed=umT5, path="
        f"{folder / 'text_encoder' / 'model.safetensors'}, what=the T5 text encoder"
    )


def test_weights_that_are_not_t5s(folder, tmp_path):
    from safetensors.torch import load_file

    weights = load_file(folder / "text_encoder" / "model.safetensors")
    weights.pop("encoder.final_layer_norm.weight")
    save_file(weights, tmp_path / "t5.safetensors")
    with pytest.raises(WeightsError) as error:
        load_text(tmp_path / "t5.safetensors")
    assert refused(error.value) == (
        "text-encoder-keys: listed=encoder.final_layer_norm.weight, name=T5, path="
        f"{tmp_path / 't5.safetensors'}, problem=missing or of another shape"
    )
