"""The text encoder against diffusers and transformers, from every layout that it is published in."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from filling import fill, relative
from safetensors.torch import save_file
from tiny_t5 import load_umt5

transformers = pytest.importorskip("transformers")
sentencepiece = pytest.importorskip("sentencepiece")
pytest.importorskip("ftfy")
gguf = pytest.importorskip("gguf")
diffusers = pytest.importorskip("diffusers")
tokenizers = pytest.importorskip("tokenizers")

WIDTH, HEADS, LAYERS = 32, 4, 2
# Theirs computes 512 rows behind a mask, and so sums in another order: up to 9e-7 measured.
ROUNDING = 3e-6
PROMPTS = [
    "",
    "a red circle moves left",
    "  A cat,\n\tsitting &amp;amp; waiting… it\u2019s\u00a0raining ",
    "un café très chaud, 日本語",
    "word " * 900,
]
# transformers' name → (official name, llama.cpp's name), written out here so that the library is not its own judge.
NAMES = {
    "shared.weight": ("token_embedding.weight", "token_embd.weight"),
    "encoder.final_layer_norm.weight": ("norm.weight", "enc.output_norm.weight"),
    "layer.0.layer_norm.weight": ("norm1.weight", "attn_norm.weight"),
    "layer.0.SelfAttention.q.weight": ("attn.q.weight", "attn_q.weight"),
    "layer.0.SelfAttention.k.weight": ("attn.k.weight", "attn_k.weight"),
    "layer.0.SelfAttention.v.weight": ("attn.v.weight", "attn_v.weight"),
    "layer.0.SelfAttention.o.weight": ("attn.o.weight", "attn_o.weight"),
    "layer.0.SelfAttention.relative_attention_bias.weight": ("pos_embedding.embedding.weight", "attn_rel_b.weight"),
    "layer.1.layer_norm.weight": ("norm2.weight", "ffn_norm.weight"),
    "layer.1.DenseReluDense.wi_0.weight": ("ffn.gate.0.weight", "ffn_gate.weight"),
    "layer.1.DenseReluDense.wi_1.weight": ("ffn.fc1.weight", "ffn_up.weight"),
    "layer.1.DenseReluDense.wo.weight": ("ffn.fc2.weight", "ffn_down.weight"),
}


def in_names(state, column, block):
    def name_of(name):
        if name in NAMES:
            return NAMES[name][column]
        _, _, number, rest = name.split(".", 3)
        return f"{block}.{number}.{NAMES[rest][column]}"

    return {name_of(name): value for name, value in state.items()}


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """A SentencePiece model like umT5's: pad 0, end 1, unknown 2, bytes for what it never saw."""
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "corpus.txt").write_text("a red circle moves left\nthe cat is sitting and waiting\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"), model_prefix=str(folder / "spiece"), vocab_size=320, hard_vocab_limit=False,
        byte_fallback=True, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
        normalization_rule_name="identity",
    )  # fmt: skip
    return (folder / "spiece.model").read_bytes()


@pytest.fixture(scope="module")
def tokenizer(pieces):
    """The same pieces in transformers' own tokenizer, which ends every text with the end token."""
    model = sentencepiece.SentencePieceProcessor(model_proto=pieces)
    scored = [(model.id_to_piece(i), model.get_score(i)) for i in range(model.get_piece_size())]
    inner = tokenizers.Tokenizer(tokenizers.models.Unigram(scored, unk_id=2, byte_fallback=True))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    inner.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


def build(rows):
    config = transformers.UMT5Config(
        vocab_size=rows, d_model=WIDTH, d_kv=16, d_ff=64, num_layers=LAYERS, num_heads=HEADS,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    return fill(transformers.UMT5EncoderModel(config))


@pytest.fixture(scope="module")
def theirs(tokenizer):
    return build(len(tokenizer) + 20)


@pytest.fixture(scope="module")
def state(theirs):
    return {name: value for name, value in theirs.state_dict().items() if name != "encoder.embed_tokens.weight"}


@torch.no_grad()
def ask_theirs(model, tokenizer, prompt):
    """What the pipeline of diffusers gives to the transformer, without the zeros behind the last token."""
    pipeline = diffusers.WanPipeline(
        tokenizer=tokenizer, text_encoder=model, vae=None, scheduler=None, transformer=None
    )
    embeds = pipeline._get_t5_prompt_embeds(prompt, max_sequence_length=512, device="cpu", dtype=torch.float32)
    count = int(embeds[0].abs().sum(-1).ne(0).sum())
    assert not embeds[:, count:].any()
    return embeds[:, :count]


def as_diffusers(folder, state, pieces, tokenizer, theirs):
    theirs.save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    return folder


def as_shards(folder, state, pieces, tokenizer, theirs):
    theirs.save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    tokenizer.save_pretrained(folder)
    return folder


def as_comfy(folder, state, pieces, tokenizer, theirs):
    stored = torch.frombuffer(bytearray(pieces), dtype=torch.uint8)
    save_file({**state, "spiece_model": stored}, folder / "umt5_xxl_fp16.safetensors")
    return folder / "umt5_xxl_fp16.safetensors"


def as_official(folder, state, pieces, tokenizer, theirs):
    save_file(in_names(state, 0, "blocks"), folder / "models_t5_umt5-xxl-enc.safetensors")
    tokenizer.save_pretrained(folder / "google" / "umt5-xxl")
    return folder / "models_t5_umt5-xxl-enc.safetensors"


def as_gguf(folder, state, pieces, tokenizer, theirs):
    writer = gguf.GGUFWriter(folder / "umt5-xxl-encoder-F32.gguf", "t5encoder")
    for name, value in in_names(state, 1, "enc.blk").items():
        writer.add_tensor(name, value.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (folder / "spiece.model").write_bytes(pieces)
    return folder / "umt5-xxl-encoder-F32.gguf"


@pytest.mark.parametrize("layout", [as_diffusers, as_shards, as_comfy, as_official, as_gguf])
def test_every_layout_gives_what_the_pipeline_of_diffusers_gives(layout, tmp_path, state, pieces, tokenizer, theirs):
    ours = load_umt5(layout(tmp_path, state, pieces, tokenizer, theirs), dtype=torch.float32)
    assert all(torch.equal(value, state[name]) for name, value in ours.model.state_dict().items() if name in state)
    for prompt in PROMPTS:
        got, wanted = ours.encode(prompt), ask_theirs(theirs, tokenizer, prompt)
        assert got.shape == wanted.shape
        assert relative(got, wanted) <= ROUNDING
    assert torch.equal(got, wanted), "the last prompt is as long as can be, so that theirs has no padding either"


@pytest.mark.parametrize("scaled", [False, True])
def test_fp8_gives_what_the_dequantised_weights_give(scaled, tmp_path, state, pieces, tokenizer, theirs):
    file, numbers = {"spiece_model": torch.frombuffer(bytearray(pieces), dtype=torch.uint8)}, {}
    for name, value in state.items():
        linear = value.dim() == 2 and not name.endswith(("shared.weight", "bias.weight"))
        scale = value.abs().max() / 448 if scaled and linear else torch.tensor(1.0)
        file[name] = (value / scale).to(torch.float8_e4m3fn) if linear or not scaled else value
        numbers[name] = file[name].float() * scale
        if scaled and linear:
            file[name.removesuffix("weight") + "scale_weight"] = scale
    if scaled:
        file["scaled_fp8"] = torch.zeros(2, dtype=torch.float8_e4m3fn)
    save_file(file, tmp_path / "umt5_fp8.safetensors")
    dequantised = build(len(tokenizer) + 20)
    dequantised.load_state_dict(numbers, strict=False)
    ours = load_umt5(tmp_path / "umt5_fp8.safetensors", dtype=torch.float32)
    prompt = "the cat moves left"
    assert relative(ours.encode(prompt), ask_theirs(dequantised, tokenizer, prompt)) <= ROUNDING
    assert relative(ours.encode(prompt), ask_theirs(theirs, tokenizer, prompt)) > 1e-3


def test_the_default_is_bfloat16_and_its_error_is_that_of_bfloat16(tmp_path, state, pieces, tokenizer, theirs):
    ours = load_umt5(as_comfy(tmp_path, state, pieces, tokenizer, theirs))
    half = build(len(tokenizer) + 20).to(torch.bfloat16)
    prompt = "the cat moves left"
    got = ours.encode(prompt)
    assert got.dtype == torch.float32
    # Eight bits of mantissa, and sums that padding to 512 puts in another order.
    assert relative(got, ask_theirs(half, tokenizer, prompt)) <= 2e-2
    assert relative(got, ask_theirs(theirs, tokenizer, prompt)) > 1e-4


def official_rows(weights, ids):
    """The encoder as the official code has it, written out from its equations for one text without padding."""

    def norm(name, x):
        return weights[f"{name}.weight"] * x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()

    def linear(name, x):
        return x @ weights[f"{name}.weight"].T

    place = torch.arange(len(ids))
    ahead = place[None, :] - place[:, None]
    far = 8 + (torch.log(ahead.abs().clamp(min=1) / 8) / math.log(128 / 8) * 8).long()
    bucket = torch.where(ahead.abs() < 8, ahead.abs(), far.clamp(max=15)) + 16 * (ahead > 0)
    x = weights["token_embedding.weight"][ids]
    for block in (f"blocks.{n}" for n in range(LAYERS)):
        y = norm(f"{block}.norm1", x)
        q, k, v = (linear(f"{block}.attn.{part}", y).unflatten(-1, (HEADS, -1)) for part in "qkv")
        scores = torch.einsum("ihc,jhc->hij", q, k)
        scores = scores + weights[f"{block}.pos_embedding.embedding.weight"][bucket].permute(2, 0, 1)
        mixed = torch.einsum("hij,jhc->ihc", scores.softmax(-1), v).flatten(1)
        x = x + linear(f"{block}.attn.o", mixed)
        y = norm(f"{block}.norm2", x)
        gate = F.gelu(linear(f"{block}.ffn.gate.0", y), approximate="tanh")
        x = x + linear(f"{block}.ffn.fc2", gate * linear(f"{block}.ffn.fc1", y))
    return norm("norm", x)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_official_names_mean_what_the_official_equations_say(prompt, tmp_path, state, pieces, tokenizer, theirs):
    ours = load_umt5(as_official(tmp_path, state, pieces, tokenizer, theirs), dtype=torch.float32)
    ids = tokenizer(" ".join(prompt.split()), truncation=True, max_length=512).input_ids
    if "&" in prompt:
        ids = tokenizer("A cat, sitting & waiting… it's raining").input_ids
    wanted = official_rows(in_names(state, 0, "blocks"), torch.tensor(ids))
    assert relative(ours.encode(prompt)[0], wanted) <= 1e-5


def test_both_kinds_of_tokenizer_read_alike(tmp_path, state, pieces, tokenizer, theirs):
    path = as_comfy(tmp_path, state, pieces, tokenizer, theirs)
    tokenizer.save_pretrained(tmp_path / "fast")
    stored, fast = load_umt5(path), load_umt5(path, tokenizer=tmp_path / "fast")
    for prompt in PROMPTS:
        assert stored.tokenize(prompt.strip()) == fast.tokenize(prompt.strip())
