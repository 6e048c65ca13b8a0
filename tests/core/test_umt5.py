"""What the umT5 text encoder promises: rows of real tokens, official cleaning and cutting, and errors that say why."""

from __future__ import annotations

import logging
import socket
import sys

import pytest
import torch
from filling import fill
from refused import refused
from safetensors.torch import save_file
from tiny_t5 import load_umt5

from vace_core.errors import ModelError, WeightsError
from vace_core.loading.t5 import MAX_TOKENIZER
from vace_core.models.wan.text import clean

transformers = pytest.importorskip("transformers")
sentencepiece = pytest.importorskip("sentencepiece")
pytest.importorskip("ftfy")

WIDTH = 32
PROMPT = "a red circle moves left"
BLOCK = "encoder.block.1.layer"


def train(folder, end_id=1, words="a red circle moves left\nthe cat is sitting and waiting\n"):
    (folder / "corpus.txt").write_text(words * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"), model_prefix=str(folder / "trained"), vocab_size=60, hard_vocab_limit=False,
        pad_id=0, eos_id=end_id, unk_id=3 - end_id, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    return (folder / "trained.model").read_bytes()


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    return train(tmp_path_factory.mktemp("pieces"))


@pytest.fixture(scope="module")
def weights(pieces):
    rows = sentencepiece.SentencePieceProcessor(model_proto=pieces).get_piece_size() + 10
    config = transformers.UMT5Config(
        vocab_size=rows, d_model=WIDTH, d_kv=8, d_ff=48, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu"
    )
    state = fill(transformers.UMT5EncoderModel(config)).state_dict()
    return {name: value for name, value in state.items() if name != "encoder.embed_tokens.weight"}


@pytest.fixture
def path(tmp_path, weights, pieces):
    """A whole file as ComfyUI uses it, with its tokenizer inside."""
    return saved(tmp_path / "umt5.safetensors", weights, pieces)


def saved(path, weights, pieces=None):
    stored = {} if pieces is None else {"spiece_model": torch.frombuffer(bytearray(pieces), dtype=torch.uint8)}
    save_file({**weights, **stored}, path)
    return path


def refusal(kind, path, **options):
    with pytest.raises(kind) as caught:
        load_umt5(path, **options)
    assert type(caught.value) is kind
    return refused(caught.value)


# --- rows ----------------------------------------------------------------------------------------------------------


def test_one_row_for_each_token_and_one_for_the_end(path):
    text = load_umt5(path)
    assert text.width == WIDTH
    for prompt in ("", PROMPT):
        rows = text.encode(prompt)
        assert rows.shape == (1, len(text.tokenize(prompt)) + 1, WIDTH)
        assert rows.dtype == torch.float32
        assert rows.isfinite().all()
    assert text.encode("").shape[1] == 1


def test_white_space_and_broken_characters_change_nothing(path):
    text = load_umt5(path)
    assert torch.equal(text.encode(f"\n {PROMPT.replace(' ', '&nbsp; ')}\t"), text.encode(PROMPT))


@pytest.mark.parametrize(
    ("prompt", "cleaned"),
    [
        ("  a\t\n b\u00a0\u3000c ", "a b c"),
        ("Keeps CASE", "Keeps CASE"),
        ("&lt;b&gt; &amp;amp; &amp;quot;", '<b> & "'),
        ("it\u2019s \u201cfine\u201d", 'it\'s "fine"'),
        ("schÃ¶n", "schön"),
        ("ﬁlm １２", "film 12"),
        ("红色的圆", "红色的圆"),
        ("", ""),
    ],
)
def test_clean(prompt, cleaned):
    assert clean(prompt) == cleaned


def test_prompts_up_to_512_tokens_are_read_whole(path, caplog):
    text = load_umt5(path)
    words = fitting_prompt(text, 511)
    with caplog.at_level(logging.WARNING, "vace"):
        assert text.encode(words).shape == (1, 512, WIDTH)
    assert caplog.messages == []


def test_a_longer_prompt_is_cut_and_the_log_says_by_how_much(path, caplog):
    text = load_umt5(path)
    words = fitting_prompt(text, 511)
    with caplog.at_level(logging.WARNING, "vace"):
        cut = text.encode(words + "lll")
    assert torch.equal(cut, text.encode(words))
    assert caplog.messages == [
        "the prompt has 514 tokens, and Wan reads 511: its last 3 were cut. Put what matters first, or say it in fewer "
        "words"
    ]


def fitting_prompt(text, count):
    """A prompt of exactly `count` tokens, one for the beginning of the word and one for each letter."""
    prompt = "l" * (count - 1)
    assert len(text.tokenize(prompt)) == count
    return prompt


# --- loading -------------------------------------------------------------------------------------------------------


def test_loading_and_encoding_open_no_connection(path, monkeypatch):
    def refuse(*arguments, **named):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    load_umt5(path).encode(PROMPT)


def test_the_weights_are_held_once_as_asked_and_frozen(path):
    text = load_umt5(path)
    held = dict(text.model.named_parameters(remove_duplicate=False))
    assert {value.dtype for value in held.values()} == {torch.bfloat16}
    assert held["encoder.embed_tokens.weight"] is held["shared.weight"]
    assert not any(value.requires_grad for value in held.values())
    assert not text.model.training


def test_float16_keeps_the_layer_that_would_overflow_in_float32(path):
    text = load_umt5(path, dtype=torch.float16)
    dtypes = {name: value.dtype for name, value in text.model.named_parameters()}
    wide = {name for name, dtype in dtypes.items() if dtype == torch.float32}
    assert wide == {f"encoder.block.{n}.layer.1.DenseReluDense.wo.weight" for n in range(2)}
    assert text.encode(PROMPT).isfinite().all()


def test_a_file_that_holds_the_embedding_twice_is_whole(tmp_path, path, weights, pieces):
    twice = {**weights, "encoder.embed_tokens.weight": weights["shared.weight"].clone()}
    again = load_umt5(saved(tmp_path / "twice.safetensors", twice, pieces))
    assert torch.equal(again.encode(PROMPT), load_umt5(path).encode(PROMPT))


def test_a_folder_of_two_experts_has_one_text_encoder(tmp_path, weights, pieces):
    for name in ("transformer", "transformer_2", "text_encoder", "tokenizer"):
        (tmp_path / name).mkdir()
    saved(tmp_path / "text_encoder" / "model.safetensors", weights)
    (tmp_path / "tokenizer" / "spiece.model").write_bytes(pieces)
    assert load_umt5(tmp_path).encode("").shape == (1, 1, WIDTH)


# --- tokenizers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["spiece.model", "tokenizer/spiece.model", "google/umt5-xxl/spiece.model"])
def test_the_tokenizer_beside_the_file_is_found(place, tmp_path, weights, pieces):
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_bytes(pieces)
    assert load_umt5(saved(tmp_path / "umt5.safetensors", weights)).tokenize("left")


def test_a_given_tokenizer_comes_before_the_one_in_the_file(tmp_path, path):
    other = tmp_path / "other.model"
    other.write_bytes(train(tmp_path, words="the cat left\nred cat\n"))
    given, stored = load_umt5(path, tokenizer=other), load_umt5(path)
    assert given.tokenize("circle") != stored.tokenize("circle")


def test_no_tokenizer(tmp_path, weights):
    path = saved(tmp_path / "umt5.safetensors", weights)
    assert refusal(WeightsError, path) == f"tokenizer-missing: given={tmp_path}, name=umT5, tokenizer=google/umt5-xxl"
    assert refusal(WeightsError, path, tokenizer=tmp_path / "lost.model") == (
        f"tokenizer-missing: given={tmp_path / 'lost.model'}, name=umT5, tokenizer=google/umt5-xxl"
    )


def test_a_file_that_is_too_long_for_a_tokenizer_is_not_read(tmp_path, weights):
    path, beside = saved(tmp_path / "umt5.safetensors", weights), tmp_path / "spiece.model"
    with beside.open("wb") as file:
        file.truncate(MAX_TOKENIZER + 1)  # without a byte on the disk
    assert refusal(WeightsError, path) == f"tokenizer-too-large: length=100000001, limit=100000000, path={beside}"


@pytest.mark.parametrize("content", [b"{not json", b"\x0anot a model", b""])
def test_damaged_tokenizer(content, tmp_path, path):
    broken = tmp_path / "spiece.model"
    broken.write_bytes(content)
    assert refusal(WeightsError, path, tokenizer=broken) == f"tokenizer-unreadable: name=umT5, path={broken}"


def test_tokenizer_of_another_model(tmp_path, weights, pieces):
    size = sentencepiece.SentencePieceProcessor(model_proto=pieces).get_piece_size()
    for rows in (size - 1, size + 385):
        path = saved(tmp_path / "umt5.safetensors", {**weights, "shared.weight": torch.ones(rows, WIDTH)}, pieces)
        assert refusal(WeightsError, path) == f"tokenizer-other: end=1, path={path}, rows={rows}, size={size}"


def test_tokenizer_with_another_end(tmp_path, path, weights):
    rows = len(weights["shared.weight"])
    (tmp_path / "other.model").write_bytes(content := train(tmp_path, end_id=2))
    size = sentencepiece.SentencePieceProcessor(model_proto=content).get_piece_size()
    assert refusal(WeightsError, path, tokenizer=tmp_path / "other.model") == (
        f"tokenizer-other: end=2, path={tmp_path / 'other.model'}, rows={rows}, size={size}"
    )


# --- files that are not one whole encoder --------------------------------------------------------------------------


def test_a_pickle_file_is_refused_unopened(tmp_path):
    path = tmp_path / "models_t5_umt5-xxl-enc-bf16.pth"
    path.write_bytes(b"not even a pickle")
    assert refusal(WeightsError, path) == (
        f"weights-pickled: name={path.name}, path={path}, target={path.stem}.safetensors"
    )


def test_t5_is_not_umt5(tmp_path, weights, pieces):
    t5 = {
        name: value
        for name, value in weights.items()
        if name != f"{BLOCK}.0.SelfAttention.relative_attention_bias.weight"
    }
    path = saved(tmp_path / "t5xxl_fp16.safetensors", t5, pieces)
    assert refusal(WeightsError, path) == (
        f"text-encoder-wrong-part: example=umt5_xxl_fp16.safetensors, needed=umT5, path={path}, "
        "what=the T5 text encoder"
    )


def test_another_part_of_wan(tmp_path):
    path = saved(tmp_path / "vace.safetensors", {"vace_blocks.0.after_proj.weight": torch.ones(128, 128)})
    assert refusal(WeightsError, path) == (
        f"text-encoder-wrong-part: example=umt5_xxl_fp16.safetensors, needed=umT5, path={path}, "
        "what=a VACE adapter without base"
    )


def test_missing_weights(tmp_path, weights, pieces):
    some = {name: value for name, value in weights.items() if not name.startswith(f"{BLOCK}.1") and "norm" not in name}
    path = saved(tmp_path / "umt5.safetensors", some, pieces)
    assert refusal(WeightsError, path) == (
        "text-encoder-keys: listed=encoder.block.0.layer.0.layer_norm.weight, "
        "encoder.block.0.layer.1.layer_norm.weight, encoder.block.1.layer.0.layer_norm.weight, "
        "encoder.block.1.layer.1.DenseReluDense.wi_0.weight, "
        f"encoder.block.1.layer.1.DenseReluDense.wi_1.weight and 3 more, name=umT5, path={path}, "
        "problem=missing or of another shape"
    )


def test_missing_tables(tmp_path, weights, pieces):
    path = saved(tmp_path / "umt5.safetensors", {k: v for k, v in weights.items() if k != "shared.weight"}, pieces)
    assert refusal(WeightsError, path) == (
        f"text-encoder-keys: listed=shared.weight, name=umT5, path={path}, problem=missing or of another shape"
    )


def test_weights_of_another_shape(tmp_path, weights, pieces):
    odd = {
        **weights,
        f"{BLOCK}.0.SelfAttention.k.weight": torch.ones(32, 16),
        f"{BLOCK}.1.layer_norm.weight": torch.ones(1),
    }
    path = saved(tmp_path / "umt5.safetensors", odd, pieces)
    assert refusal(WeightsError, path) == (
        "text-encoder-keys: listed=encoder.block.1.layer.0.SelfAttention.k.weight, "
        f"encoder.block.1.layer.1.layer_norm.weight, name=umT5, path={path}, problem=missing or "
        "of another shape"
    )


def test_weights_too_many(tmp_path, weights, pieces):
    more = {f"decoder.block.{n}.layer.0.SelfAttention.q.weight": torch.ones(2, 2) for n in range(6)}
    path = saved(tmp_path / "umt5.safetensors", {**weights, **more}, pieces)
    assert refusal(WeightsError, path) == (
        "text-encoder-keys: listed="
        + ", ".join(f"decoder.block.{n}.layer.0.SelfAttention.q.weight" for n in range(5))
        + f" and 1 more, name=umT5, path={path}, problem=unknown to umT5"
    )


@pytest.mark.parametrize("package", ["transformers", "sentencepiece", "ftfy"])
def test_a_package_that_is_not_installed(package, path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    assert refusal(ModelError, path) == f"transformers-not-installed: name={package}, reader=Wan"
