"""Text encoders of the T5 family, from any file that they are published in.

The network is that of the package transformers, built from the file alone: no configuration, no download. Tokens come
from a tokenizer.json or a SentencePiece model that lies in or beside the file.
Source: Wan-Video/Wan2.1, wan/modules/t5.py and tokenizers.py; ComfyUI, comfy/text_encoders/wan.py ("spiece_model");
Lightricks/LTX-Video 0.9.1, pipeline_ltx_video.py, encode_prompt.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError, WeightsError, shortened
from ..files.checkpoint import open_checkpoint
from ..files.tensors import damaged
from ..files.weights import Weights
from ..models.text import EncoderKind, LoadsItself, TextEncoder, TextEncoderSpec, package, truncation_warning
from .detection import identify

log = logging.getLogger("vace")

Tokenize = Callable[[str], list[int]]

END, END_NUMBER = "</s>", 1
BUCKETS_REACH = 128  # tokens; beyond, all distances are alike

BLOCK = "encoder.block.{}.layer.{}.weight"
POSITIONS = "0.SelfAttention.relative_attention_bias"
# transformers' name inside a block → (official name, llama.cpp's name).
LAYERS = {
    "0.SelfAttention.q": ("attn.q", "attn_q"),
    "0.SelfAttention.k": ("attn.k", "attn_k"),
    "0.SelfAttention.v": ("attn.v", "attn_v"),
    "0.SelfAttention.o": ("attn.o", "attn_o"),
    POSITIONS: ("pos_embedding.embedding", "attn_rel_b"),
    "0.layer_norm": ("norm1", "attn_norm"),
    "1.DenseReluDense.wi_0": ("ffn.gate.0", "ffn_gate"),
    "1.DenseReluDense.wi_1": ("ffn.fc1", "ffn_up"),
    "1.DenseReluDense.wo": ("ffn.fc2", "ffn_down"),
    "1.layer_norm": ("norm2", "ffn_norm"),
}
EDGES = {"shared": ("token_embedding", "token_embd"), "encoder.final_layer_norm": ("norm", "enc.output_norm")}
COLUMNS = {"official": (0, "blocks."), "llama.cpp": (1, "enc.blk.")}
SHARED, SHARED_AGAIN = "shared.weight", "encoder.embed_tokens.weight"  # one table; some files hold it twice
MAX_TOKENIZER = 100_000_000  # bytes; no real tokenizer comes near it
TOKENIZERS, STORED_TOKENIZER = ("tokenizer.json", "spiece.model"), "spiece_model"


@dataclass(frozen=True, kw_only=True, eq=False)
class T5Text:
    """A text encoder of the T5 family.

    Attributes:
        model: The network; `model.to(device)` moves it, and prompts are encoded where it is.
        tokenize: Clean text → the numbers of its tokens, without the end token.
        kind: For which base, and what that asks of prompts.
    """

    model: nn.Module
    tokenize: Tokenize
    kind: EncoderKind

    @property
    def width(self) -> int:
        """Features of one token; 4096 for the encoders that Wan and LTX-Video use."""
        return self.model.get_parameter(SHARED).shape[1]

    @torch.no_grad()
    def encode(self, prompt: str) -> Tensor:
        """`(1, S, width)` float32 where the model is, one row a token and one for the end; 1 ≤ S ≤ `kind.max_tokens`.

        A longer prompt is cut as the base's own code cuts it, and the log says by how much.
        """
        numbers, most = self.tokenize(self.kind.clean(prompt)), self.kind.max_tokens - 1
        if len(numbers) > most:
            log.warning(truncation_warning(len(numbers), self.kind))
        device = self.model.get_parameter(SHARED).device
        ids = torch.tensor([[*numbers[:most], END_NUMBER]], device=device)
        # Padding behind a mask, as the bases' own code does it, changes nothing in these rows.
        return self.model(input_ids=ids).last_hidden_state.float()


def load_text(
    path: str | Path,
    *,
    kind: TextEncoderSpec | None = None,
    tokenizer: str | Path | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.bfloat16,
) -> TextEncoder:
    """The text encoder in `path`: a file, or a folder with one, such as a model in the layout of diffusers.

    Args:
        path: Safetensors, also in shards or in fp8, or GGUF; named as by Wan, transformers, ComfyUI or llama.cpp.
        kind: What it must be; None = what it is.
        tokenizer: A tokenizer.json or SentencePiece model, or its folder. By default the one in or beside the file.
        dtype: What the weights are held in: bfloat16 as in the originals, or float32, or float16.

    Raises:
        UnsupportedModelError: the file holds no model that is known here.
        WeightsError: another encoder or model, not exactly its weights; no tokenizer, or that of another model.
        ModelError: a package is not installed.
    """
    weights, kind = _text_in(path, kind)
    if not isinstance(kind, EncoderKind):
        itself: LoadsItself = kind  # type: ignore[assignment]
        return itself.load(weights, tokenizer=tokenizer, device=device, dtype=dtype)
    package("ftfy", kind.reader)  # every prompt needs it; better said before minutes of reading than after
    names = _names(weights)
    model = _empty_model(weights, names, kind)
    rows = weights.shape(names[SHARED])[0]
    tokenize = _find_tokenizer(weights, rows, kind, None if tokenizer is None else Path(tokenizer))
    # What enters "wo" exceeds the range of float16. Source: transformers, _keep_in_fp32_modules.
    dtypes = {"wo": torch.float32 if dtype == torch.float16 else dtype}
    kinds = {name: dtypes.get(name.split(".")[-2], dtype) for name in names}
    state = {name: weights.read(stored, dtype=kinds[name], device=device) for name, stored in names.items()}
    model.load_state_dict(state, strict=False, assign=True)
    model.encoder.embed_tokens = model.shared
    return T5Text(model=model.requires_grad_(False).eval(), tokenize=tokenize, kind=kind)


def check_text(path: str | Path, kind: TextEncoderSpec) -> None:
    """Accepts what holds the text encoder `kind`, by its header. Raises as `load_text`."""
    _text_in(path, kind)


def _text_in(path: str | Path, kind: TextEncoderSpec | None) -> tuple[Weights, TextEncoderSpec]:
    path = Path(path)
    file = open_checkpoint(path / "text_encoder" if (path / "text_encoder").is_dir() else path)
    found = identify(file, "text_encoder")
    weights, kind = found.weights, kind or found.family.text
    if found.kind != "text" or found.family.text.name != kind.name:
        raise WeightsError(
            "text-encoder-wrong-part",
            "{path} holds {what}. The {needed} text encoder is needed here. Choose a file such as {example}.",
            path=weights.file.path,
            what=found.title,
            needed=kind.name,
            example=kind.example,
        )
    return weights, kind


def _names(weights: Weights) -> dict[str, str]:
    """transformers' name of every weight → the name that `weights` knows it by."""
    stored = [name for name in weights.stored if name not in (STORED_TOKENIZER, SHARED_AGAIN)]
    if weights.naming not in COLUMNS:
        return dict(zip(stored, stored, strict=True))
    column, block = COLUMNS[weights.naming]
    layers = {other[column]: theirs for theirs, other in LAYERS.items()}
    edges = {f"{other[column]}.weight": f"{theirs}.weight" for theirs, other in EDGES.items()}
    pattern = re.compile(rf"{re.escape(block)}(\d+)\.(.+)\.weight")

    def renamed(name: str) -> str:
        match = pattern.fullmatch(name)
        return BLOCK.format(match[1], layers[match[2]]) if match and match[2] in layers else edges.get(name, name)

    names = {renamed(name): name for name in stored}
    if len(names) != len(stored):
        raise damaged(weights.file.path, "it holds one weight under two names")
    return names


def _empty_model(weights: Weights, names: Mapping[str, str], kind: EncoderKind) -> Any:
    """transformers' encoder in the sizes of `weights`, which are exactly its own; no numbers yet, so no memory."""
    found = {name: weights.shape(stored) for name, stored in names.items()}
    parts = ("0.SelfAttention.q", POSITIONS, "1.DenseReluDense.wi_0")
    shapes = {name: found.get(name, ()) for name in (SHARED, *(BLOCK.format(0, part) for part in parts))}
    if odd := [name for name, shape in shapes.items() if len(shape) != 2 or 0 in shape]:
        raise _unfit(weights, kind, "missing or of another shape", odd)
    (rows, width), (attention, _), (buckets, heads), (inner, _) = shapes.values()
    transformers = package("transformers", kind.reader)
    network, configuration = (getattr(transformers, name) for name in kind.network)
    config = configuration(
        vocab_size=rows, d_model=width, d_kv=attention // heads, d_ff=inner, num_heads=heads,
        num_layers=len({name.split(".")[2] for name in names if name.startswith("encoder.block.")}),
        relative_attention_num_buckets=buckets, relative_attention_max_distance=BUCKETS_REACH, layer_norm_epsilon=1e-6,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    with torch.device("meta"):
        model = network(config)
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items() if name != SHARED_AGAIN}
    if odd := [name for name, shape in wanted.items() if found.get(name) != shape]:
        raise _unfit(weights, kind, "missing or of another shape", odd)
    if unknown := found.keys() - wanted.keys():
        raise _unfit(weights, kind, f"unknown to {kind.name}", sorted(unknown))
    return model


def _unfit(weights: Weights, kind: EncoderKind, problem: str, names: list[str]) -> WeightsError:
    listed = ", ".join(map(shortened, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return WeightsError(
        "text-encoder-keys",
        "{path} is not a whole {name} text encoder; {problem}: {listed}. Exactly the weights of one are "
        "needed. Download it again, or choose another file.",
        path=weights.file.path,
        name=kind.name,
        problem=problem,
        listed=listed,
    )


def _find_tokenizer(weights: Weights, rows: int, kind: EncoderKind, given: Path | None) -> Tokenize:
    """The tokenizer given, else the one in the file, else the first one beside it."""
    if given is None and STORED_TOKENIZER in weights.stored:
        stored = weights.stored[STORED_TOKENIZER]
        _check_length(weights.file.path, weights.file.tensors[stored].nbytes)
        content = weights.file.read_bytes(stored)
        return _read_tokenizer(weights.file.path, content.numpy().tobytes(), rows, kind)
    here = weights.file.path.parent
    beside = (here, here / "tokenizer", here / kind.tokenizer, here.parent / "tokenizer")
    choices = [folder / name for folder in ((given,) if given else beside) for name in TOKENIZERS]
    found = next((path for path in [given or here, *choices] if path.is_file()), None)
    if found is None:
        raise WeightsError(
            "tokenizer-missing",
            "There is no tokenizer in {given}. That of {name} ({tokenizer}) is needed: tokenizer.json or "
            "spiece.model. Put one there, or give its path as the tokenizer.",
            given=given or here,
            name=kind.name,
            tokenizer=kind.tokenizer,
        )
    _check_length(found, found.stat().st_size)
    return _read_tokenizer(found, found.read_bytes(), rows, kind)


def _check_length(path: Path, length: int) -> None:
    if length > MAX_TOKENIZER:
        raise WeightsError(
            "tokenizer-too-large",
            "The tokenizer in {path} has {length:,} bytes. At most {limit:,} are read. Choose another file.",
            path=path,
            length=length,
            limit=MAX_TOKENIZER,
        )


def _read_tokenizer(path: Path, content: bytes, rows: int, kind: EncoderKind) -> Tokenize:
    parse = _parse_json if content.startswith(b"{") else _parse_sentencepiece
    try:
        tokenize, size, end = parse(content, kind)
    except ModelError:
        raise
    except Exception as error:  # the packages raise nothing narrower
        raise WeightsError(
            "tokenizer-unreadable",
            "The tokenizer in {path} cannot be read. A tokenizer.json or SentencePiece model of {name} is "
            "needed. Download it again.",
            path=path,
            name=kind.name,
        ) from error
    if not rows - kind.extra_embeddings <= size <= rows or end != END_NUMBER:
        raise WeightsError(
            "tokenizer-other",
            "The tokenizer in {path} has {size:,} tokens, and its end token is number {end}. One for {rows:,} "
            "rows whose end token is number 1 is needed. Choose the tokenizer that belongs to this encoder.",
            path=path,
            size=size,
            end=end,
            rows=rows,
        )
    return tokenize


def _parse_json(content: bytes, kind: EncoderKind) -> tuple[Tokenize, int, int | None]:
    """How to tokenize, how many tokens there are, and the number of the end token."""
    tokenizer = package("tokenizers", kind.reader).Tokenizer.from_buffer(content)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    size, end = tokenizer.get_vocab_size(), tokenizer.token_to_id(END)
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids, size, end


def _parse_sentencepiece(content: bytes, kind: EncoderKind) -> tuple[Tokenize, int, int | None]:
    pieces = package("sentencepiece", kind.reader).SentencePieceProcessor()
    pieces.LoadFromSerializedProto(content)
    return pieces.encode, pieces.get_piece_size(), pieces.piece_to_id(END)
