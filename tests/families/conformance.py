"""The conformance suite: what the library promises of any family. `check(case, folder)` asks all of one."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from filling import relative
from safetensors.torch import load_file, save_file
from torch.utils.flop_counter import FlopCounterMode

from vace_core import tasks
from vace_core.adapter import Attachment
from vace_core.errors import AdapterMismatchError, ModelError, ShapeError
from vace_core.files.checkpoint import open_checkpoint
from vace_core.geometry import Box
from vace_core.inputs.layout import BoxKey, BoxPath
from vace_core.loading.assembly import check_family
from vace_core.loading.detection import identify
from vace_core.loading.inspect import inspect
from vace_core.loading.load import load_adapter, load_base, load_vae
from vace_core.loading.repack import join_model, split_model
from vace_core.loading.t5 import load_text
from vace_core.models import FAMILIES
from vace_core.models.text import EncoderKind
from vace_core.pipeline import generate
from vace_core.preview.cost import ModelSizes, job_cost
from vace_core.vcu import VideoConditionUnit

from .case import Case, quick

PARTS = ("base", "adapter", "vae", "text")
ROUNDING = 3e-5


@torch.no_grad()
def adapter_starts_as_nothing(case: Case, folder: Path) -> None:
    """As training begins, with projections of zero, the result is that of the base to the bit."""
    base, adapter, inputs = case.make_base(), case.make_adapter(), case.inputs()
    for projection in adapter.after_proj:
        projection.weight.zero_()
        projection.bias.zero_()
    attachment = Attachment(adapter=adapter, context=adapter.embed(case.context()))
    assert torch.equal(base(*inputs, [attachment]), base(*inputs))


@torch.no_grad()
def adapter_acts_by_its_strength(case: Case, folder: Path) -> None:
    """At 0 not at all, at 1 clearly, twice at a half as once; and the base is afterwards as before."""
    base, adapter, inputs = case.make_base(), case.make_adapter(), case.inputs()
    context = adapter.embed(case.context())

    def velocity(*strengths: float) -> torch.Tensor:
        return base(*inputs, [Attachment(adapter=adapter, context=context, strength=each) for each in strengths])

    before, once = velocity(), velocity(1.0)
    assert before.shape == inputs[0].shape
    assert relative(once, before) > 0.01
    assert torch.equal(velocity(0.0), before)
    assert relative(velocity(0.5, 0.5), once) <= ROUNDING
    assert torch.equal(velocity(), before)


def adapter_of_another_base_is_refused(case: Case, folder: Path) -> None:
    adapter, sizes = case.make_adapter(), case.sizes
    adapter.check_fits(width=sizes.width, layers=sizes.layers)
    for wrong in ({"width": sizes.width * 2, "layers": sizes.layers}, {"width": sizes.width, "layers": 1}):
        with pytest.raises(AdapterMismatchError):
            adapter.check_fits(**wrong)


def names_come_and_go(case: Case, folder: Path) -> None:
    """Names of an adapter are told from those of the base, and other programs' names lead back to the official ones."""
    family, base, adapter = case.family, case.tensors("base"), case.tensors("adapter")
    assert len(adapter) == len(case.make_adapter().state_dict())
    assert not any(family.is_adapter_name(name) for name in base)
    assert all(family.is_adapter_name(name) for name in adapter)
    for namings, which, names in ((family.transformer, 0, base), (family.vae, 1, case.tensors("vae"))):
        for naming in namings:
            theirs = case.theirs[naming.name][which] if naming.name in case.theirs else str
            assert [naming.official(theirs(name)) for name in names] == list(names), naming.name
            known = {theirs(name) for name in (*names, *(adapter if which == 0 else ()))}
            assert any(mark in known for mark in naming.marks), naming.name


def files_are_told(case: Case, folder: Path) -> None:
    """Every part, under every prefix and naming of the family, among all families."""
    for part in PARTS:
        kind = {"base": "transformer", "adapter": "transformer", "vae": "vae", "text": "text_encoder"}[part]
        namings = {"vae": case.family.vae, "text": case.family.text.namings[:0]}.get(part, case.family.transformer)
        versions = [("", str)] + [
            (prefix, case.theirs.get(naming.name, (str, str))[part == "vae"])
            for naming in namings
            for prefix in naming.prefixes
            if part != "adapter" or naming.name == "official"
        ]
        for prefix, theirs in versions:
            path = folder / "part.safetensors"
            save_file({f"{prefix}{theirs(name)}": value for name, value in case.tensors(part).items()}, path)
            found = identify(open_checkpoint(path, kind), kind)
            assert (found.kind, found.family) == (part, case.family), (part, prefix)
            assert found.parts.keys() == {part}
            assert inspect(path).family == case.family.name


def parts_of_one_model_belong_together(case: Case, folder: Path) -> None:
    paths = {part: folder / f"{part}.safetensors" for part in PARTS}
    for part, path in paths.items():
        save_file(case.tensors(part), path)
    check_family(case.family, vae=paths["vae"], bases=[paths["base"]], adapters=[paths["adapter"]])
    for other in FAMILIES:
        if other is not case.family:
            with pytest.raises(ModelError) as error:
                check_family(other, vae=paths["vae"])
            assert error.value.code == "vae-other-family"


@torch.no_grad()
def loaded_is_as_saved(case: Case, folder: Path) -> None:
    """From one file: split, each half loaded to the bit, and joined again to the file that it was."""
    full, base, adapter, again = (folder / f"{name}.safetensors" for name in ("full", "base", "adapter", "again"))
    save_file(case.tensors("base") | case.tensors("adapter"), full)
    assert inspect(full).kind == "vace"
    split_model(full, base, adapter)
    assert inspect(adapter).context_layers == case.context_layers
    join_model(base, adapter, again)
    wanted, got = load_file(full), load_file(again)
    assert got.keys() == wanted.keys()
    assert all(torch.equal(value, wanted[name]) for name, value in got.items())
    network, attached, inputs = load_base(base), load_adapter(adapter), case.inputs()
    for name, value in case.make_base().state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name
    context = attached.embed(case.context())
    with_hints = network(*inputs, [Attachment(adapter=attached, context=context)])
    ours = case.make_adapter()
    attachment = Attachment(adapter=ours, context=ours.embed(case.context()))
    assert torch.equal(with_hints, case.make_base()(*inputs, [attachment]))


def text_is_encoded(case: Case, folder: Path) -> None:
    """A prompt gives rows that the base takes, and another prompt others; an encoder of its own make is loaded."""
    first, second = (case.text().encode(words) for words in ("a dog", "a horse"))
    rows = first if isinstance(first, torch.Tensor) else first[0]
    assert rows.shape[0] == 1
    assert rows.shape[2] == case.sizes.text_width
    base, (latents, sigma, _) = case.make_base(), case.inputs()
    with torch.no_grad():
        made = [base(latents, sigma, base.prepare_text(embeds, fps=24.0)) for embeds in (first, second)]
    assert relative(*made) > 1e-3
    if not isinstance(case.family.text, EncoderKind):
        save_file(case.text_weights(), folder / "text.safetensors")
        again = load_text(folder / "text.safetensors", dtype=torch.float32).encode("a dog")
        assert all(torch.equal(*pair) for pair in zip(again, first, strict=True))


def grid_is_one_rule(case: Case, folder: Path) -> None:
    """Lengths and latent frames lead to each other, and what is no length is refused with the next ones."""
    grid, (t, h, w) = case.family.grid, case.clip
    lengths = [n for n in range(1, 100) if grid.nearest_lengths(n) == (n, n)]
    assert t in lengths
    for length, following in itertools.pairwise(lengths):
        grid.check(length, h, w)
        assert grid.pixel_frames(grid.latent_frames(length)) == length
        assert grid.latent_frames(length) < grid.latent_frames(following)
        for between in range(length + 1, following):
            assert grid.nearest_lengths(between) == (length, following)
            with pytest.raises(ShapeError) as error:
                grid.check(between, h, w)
            assert error.value.fields["choice"] == f"{length} or {following}"
    masks = torch.ones(1, 1, *case.clip)
    folded = case.family.encode_masks(masks)
    assert folded.shape == (1, case.family.latents.mask_channels, *grid.latent_size(*case.clip))
    assert bool((folded == 1).all())
    assert set(case.family.mask_frames(t)) <= set(range(t))


def vae_does_less_for_the_same(case: Case, folder: Path) -> None:
    """Tiles are the whole, a window is its part, gray around content may be skipped; and files hold all of it."""
    vae, grid, frames = case.make_vae(), case.family.grid, case.pixels()
    latents = vae.encode(frames)
    assert latents.shape == (1, case.family.latents.channels, *grid.latent_size(*case.clip))
    assert vae.latent_channels == latents.shape[1]
    whole = vae.decode(latents)
    assert whole.shape == frames.shape
    tiled = case.make_vae(tile=grid.pixels)
    assert relative(tiled.encode(frames), latents) <= ROUNDING
    assert (tiled.decode(latents) - whole).abs().max() <= ROUNDING
    box = Box(3, 5, frames.shape[4] - 7, frames.shape[3] - 2)
    for one in (vae, tiled):
        part = one.decode(latents, window=box)
        assert (part - whole[..., box.top : box.bottom, box.left : box.right]).abs().max() <= ROUNDING
    gray, hole = torch.zeros_like(frames), torch.zeros_like(frames)
    hole[..., 8:16, 4:20] = frames[..., 8:16, 4:20]
    assert relative(vae.encode(gray, content=Box(0, 0, 0, 0)), case.make_vae().encode(gray)) <= ROUNDING
    assert relative(vae.encode(hole, content=Box(4, 8, 20, 16)), case.make_vae().encode(hole)) <= ROUNDING
    save_file(case.tensors("vae"), folder / "vae.safetensors")
    assert torch.equal(load_vae(folder / "vae.safetensors").encode(frames), latents)


@torch.no_grad()
def costs_are_those_of_the_network(case: Case, folder: Path) -> None:
    """Matrix products of a pass, counted; and the figures of a job."""
    base, adapter, (latents, sigma, text) = case.make_base(), case.make_adapter(), case.inputs()
    rows = case.text().encode("a dog")
    words = (rows if isinstance(rows, torch.Tensor) else rows[0]).shape[1]
    tokens, costs, blocks = case.family.grid.tokens(*case.clip), case.family.costs, len(case.context_layers)
    attachment = Attachment(adapter=adapter, context=adapter.embed(case.context()))

    def counted(*attachments: Attachment) -> int:
        with FlopCounterMode(display=False) as counter:
            base(latents, sigma, text, attachments)
        return counter.get_total_flops()

    alone, together = counted(), counted(attachment)
    assert abs(costs.base_flop(case.sizes, tokens, words) / alone - 1) < 0.15
    assert abs(costs.adapter_flop(case.sizes, blocks, tokens, words) / (together - alone) - 1) < 0.15
    sizes = ModelSizes(
        family=case.family, base=case.sizes, context_blocks=blocks, vae=case.vae_sizes, weights={"base": 1}
    )
    longer = case.family.grid.nearest_lengths(case.clip[0] + 1)[1]
    short, long = (
        job_cost(sizes, tasks.text(num_frames=t, height=case.clip[1], width=case.clip[2]), case.family.options)
        for t in (case.clip[0], longer)
    )
    assert (short.tokens, short.latent_size) == (tokens, case.family.grid.latent_size(*case.clip))
    assert 0 < short.adapter_share < 1
    assert 0 < short.total_tflop < long.total_tflop
    assert 0 < short.peak_bytes < long.peak_bytes


def all_tasks(case: Case) -> dict[str, VideoConditionUnit]:
    """Every task once, on a clip of the case."""
    t, h, w = case.clip
    step = case.family.grid.step
    size = {"num_frames": t, "height": h, "width": w}
    right_half = torch.zeros(1, 1, t, h, w)
    right_half[..., w // 2 :] = 1
    keys = (BoxKey(time=0, x=0.3, y=0.5, width=0.3, height=0.5), BoxKey(time=1, x=0.7, y=0.5, width=0.3, height=0.5))
    clip, words = case.pixels(), {"prompt": "a dog"}
    return {
        "text": tasks.text(**size, **words),
        "reference": tasks.reference([case.pixels(1, t=1), case.pixels(2, t=1)], **size, **words),
        "inpaint": tasks.inpaint(clip, right_half, **words),
        "outpaint": tasks.outpaint(case.pixels(w=w - step), left=step / (w - step), step=step, **words),
        "extend": tasks.extend(case.pixels(t=1), num_frames=t, **words),
        "keyframes": tasks.keyframes({t // 2: case.pixels(t=1)}, num_frames=t, **words),
        "control": tasks.control(clip, **words),
        "gray": tasks.gray(clip, **words),
        "depth": tasks.depth(clip, **words),
        "scribble": tasks.scribble(clip, **words),
        "pose": tasks.pose(clip, **words),
        "flow": tasks.flow(clip, **words),
        "layout": tasks.layout([BoxPath(keys=keys)], **size, **words),
    }


def every_task_runs(case: Case, folder: Path) -> None:
    """Through the whole pipeline: finite frames, every kept pixel as it came, and the adapter acts."""
    units, model, options = all_tasks(case), case.make_model(), quick(case.family.options)
    assert units.keys() == set(tasks.__all__)
    for name, unit in units.items():
        frames = generate(model, unit, options)
        assert frames.shape == (1, 3, unit.num_frames, unit.height, unit.width), name
        assert bool(torch.isfinite(frames).all()), name
        kept = unit.masks.expand_as(frames) == 0
        assert torch.equal(frames[kept], unit.source[kept] if unit.source is not None else frames[kept]), name
    without = generate(model.detach(), units["text"], options)
    assert not torch.equal(without, generate(model, units["text"], options))


PROMISES = (
    adapter_starts_as_nothing,
    adapter_acts_by_its_strength,
    adapter_of_another_base_is_refused,
    names_come_and_go,
    files_are_told,
    parts_of_one_model_belong_together,
    loaded_is_as_saved,
    text_is_encoded,
    grid_is_one_rule,
    vae_does_less_for_the_same,
    costs_are_those_of_the_network,
    every_task_runs,
)


def check(case: Case, folder: Path) -> None:
    """All promises of one family; files are written into `folder`."""
    for promise in PROMISES:
        (place := folder / promise.__name__).mkdir()
        promise(case, place)
