"""A pair of ComfyUI's MODELs is one run of the solver, as our own is, and each is treated as ComfyUI treats one."""

from __future__ import annotations

from unittest import mock

import native_parts
import pytest
import torch
from filling import relative
from tiny_files import full_weights, write_starter

CLOSE = 1e-5  # both compute in float32: what differs is the order of sums
SOLVERS = ["unipc", "dpm++", "euler"]
STEPS, HIGH = 6, 4  # of 6 steps at shift 3, four are at 0.8 and above
OPTIONS = {"steps": STEPS, "shift": 3.0, "guidance_scale": 3.0, "seed": 7}
BOUNDARY = 0.7


@pytest.fixture(autouse=True)
def _as_comfyui_runs_nodes():
    with torch.inference_mode():
        yield


class TestOneRun:
    """What carries a solver from one MODEL to the next, without ComfyUI."""

    @pytest.mark.parametrize("turn", range(1, STEPS))
    @pytest.mark.parametrize("name", SOLVERS)
    def test_turns_are_one_run_to_the_bit(self, pack, name, turn):
        core, native = pack.vace_core, pack.nodes.comfy.native
        solver = core.sampling.solvers.SOLVERS[name]
        levels = core.sampling.schedule.sigmas(STEPS, 3.0, first=solver.first)
        noise = core.pipeline.make_noise((1, 16, 2, 4, 6), 0)
        asked = []

        def high(x, sigma, **_):
            asked.append("high")
            return torch.tanh(x * 0.7 + sigma.view(-1, 1, 1, 1, 1))

        def low(x, sigma, **_):
            asked.append("low")
            return torch.sin(x - sigma.view(-1, 1, 1, 1, 1))

        def both(x, sigma):
            return (high if sigma > levels[turn] else low)(x, torch.full((1,), sigma))

        wanted, seen = [], []
        result = solver.run(both, noise, levels, lambda index, total, made: wanted.append((index, total, made)))
        asked.clear()
        always = pack.vace_core.adapter.SigmaRange()
        job = native._Job(
            solver,
            levels,
            acting=always,
            behind=lambda sigma: 0.0,
            known=native._Known(),
            on_step=lambda *step: seen.append(step),
        )
        handed = job.until(turn)(high, noise, torch.tensor(levels[: turn + 1]), {})
        ours = job.until(STEPS)(low, torch.zeros_like(noise), torch.tensor(levels[turn:]), {})
        assert torch.equal(ours, result)
        assert handed.shape == noise.shape
        assert asked == ["high"] * turn + ["low"] * (STEPS - turn)
        assert [step[:2] for step in seen] == [(index, STEPS) for index in range(STEPS)]
        assert all(torch.equal(one[2], other[2]) for one, other in zip(seen, wanted, strict=True))


@pytest.fixture(scope="module")
def core(comfy, pack):
    return pack.vace_core


@pytest.fixture(scope="module")
def vae(core):
    with torch.inference_mode():
        return native_parts.vae(core)


@pytest.fixture
def two(core):
    """The MODELs of a pair."""
    return native_parts.vace_model(core), native_parts.vace_model(core, seed=11)


@pytest.fixture
def experts(core):
    """The same weights as ours."""
    return [expert(core, seed) for seed in (1, 11)]


def expert(core, seed):
    weights, wan = full_weights(core, seed), core.models.wan.dit
    sizes = wan.WanSizes(width=128, ffn=192, layers=4, text_width=4096)
    base, adapter = wan.WanDit(sizes), wan.build_adapter(sizes, (0, 2))
    base.load_state_dict({name: value for name, value in weights.items() if not name.startswith("vace_")})
    adapter.load_state_dict({wan.adapter_key(n): v for n, v in weights.items() if n.startswith("vace_")})
    return core.pipeline.Expert(base=base, adapter=adapter)


@pytest.fixture
def vcu(run):
    video = torch.rand(5, 32, 48, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 32, 48)
    mask[:, :, 24:] = 1
    references = torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(3))
    given = {"images": video, "mask": mask, "fit": "as it is", "prompt": "a dog", "negative_prompt": "a cat"}
    return run("VaceSwapAnything", references=references, **given)[0]


@pytest.fixture
def ours(core, pack, vae, vcu):
    """Latents of the library's own pair: `ours(experts, **options)`."""

    def sample(experts, **options):
        model = core.pipeline.VaceModel(
            expert=experts[0],
            low_noise=experts[1],
            boundary=BOUNDARY,
            vae=pack.nodes.comfy.native.NativeVae(vae),
            text=pack.nodes.comfy.kept_texts.ClipText(native_parts.Clip()),
            encode_masks=core.models.wan.dit.encode_masks,
        )
        return core.pipeline.sample(model, vcu, core.SamplingOptions(**{**OPTIONS, **options}))

    return sample


@pytest.fixture
def theirs(core, pack, vae, vcu):
    """Latents of a pair of MODELs, normalised as ours are: `theirs(two, **options)`."""
    native, latents = pack.nodes.comfy.native, pack.nodes.comfy.registry.NATIVE_VACE.latents

    def sample(two, *, boundary=BOUNDARY, on_step=lambda *_: None, **options):
        model = pack.nodes.comfy.sockets.NativeModel(
            model=two[0], low_noise=two[1], clip=native_parts.Clip(), vae=vae, boundary=boundary
        )
        options = core.SamplingOptions(**{**OPTIONS, **options})
        where = pack.nodes.comfy.where.Where(conditions=pack.nodes.comfy.where.all_conditions(vcu, 1.0, None, None))
        samples = native.sample(model, where, options, on_step=on_step, on_chunk=lambda *_: None)
        return latents.from_comfyui(samples)

    return sample


class TestEqualToOurOwn:
    @pytest.mark.parametrize("solver", SOLVERS)
    def test_a_pair(self, two, experts, ours, theirs, solver):
        wanted = ours(experts, solver=solver)
        assert relative(theirs(two, solver=solver), wanted) < CLOSE
        assert relative(ours([experts[0], experts[0]], solver=solver), wanted) > 1e-2

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_strength_and_a_part_of_the_schedule(self, two, experts, ours, theirs, solver):
        # The adapter of the first acts in its last two steps, that of the second in its first.
        options = {"solver": solver, "strength": 0.6, "start_percent": 0.3, "end_percent": 0.8, "guidance_scale": 1.0}
        wanted = ours(experts, **options)
        assert relative(theirs(two, **options), wanted) < CLOSE
        for other in ({"start_percent": 0.0}, {"end_percent": 1.0}, {"strength": 1.0}):
            assert relative(ours(experts, **{**options, **other}), wanted) > 1e-3

    @pytest.mark.parametrize(("solver", "boundary", "used"), [("unipc", 1.0, 1), ("unipc", 0.0, 0), ("euler", 0.0, 0)])
    def test_a_boundary_at_an_end_is_one_model(self, two, theirs, solver, boundary, used):
        alone = theirs((two[used], None), solver=solver)
        assert torch.equal(theirs(two, solver=solver, boundary=boundary), alone)

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_a_pair_of_one_model_is_that_model(self, two, theirs, solver):
        assert torch.equal(theirs((two[0], two[0].clone()), solver=solver), theirs((two[0], None), solver=solver))

    def test_every_step_is_said_once(self, two, theirs):
        said = []
        theirs(two, on_step=lambda *step: said.append(step))
        assert [step[:2] for step in said] == [(index, STEPS) for index in range(STEPS)]
        assert {tuple(step[2].shape) for step in said} == {(1, 16, 2, 4, 6)}  # without the reference


@pytest.fixture
def context(core, pack, vae, vcu):
    return core.context.encode_context(vcu, pack.nodes.comfy.native.NativeVae(vae), core.models.wan.dit.encode_masks)


@pytest.fixture
def denoiser(core, pack, vcu, context):
    """One of our networks with adapters, the second of them at half its strength."""

    def make(expert, adapters, guidance_scale=3.0):
        text = pack.nodes.comfy.kept_texts.ClipText(native_parts.Clip())
        words = (vcu.prompt, core.SamplingOptions().negative_for(vcu))
        texts = [expert.base.prepare_text(text.encode(one), fps=vcu.fps) for one in words]
        attachments = [
            core.adapter.Attachment(adapter=adapter, context=adapter.embed(context), strength=strength)
            for adapter, strength in zip(adapters, (1.0, 0.5), strict=False)
        ]
        told = core.sampling.solvers.SOLVERS["unipc"].told
        return core.sampling.guidance.guide(
            expert.base, *texts, guidance_scale=guidance_scale, attachments=attachments, told=told
        )

    return make


@pytest.fixture
def by_hand(core, context):
    """What UniPC makes of two denoisers that meet at the boundary."""

    def sample(high, low):
        both = core.sampling.guidance.switch_experts(high, low, BOUNDARY)
        noise = core.pipeline.make_noise((1, 16, *context.shape[2:]), OPTIONS["seed"])
        levels = core.sampling.schedule.sigmas(STEPS, 3.0, first=core.sampling.solvers.SOLVERS["unipc"].first)
        return core.sampling.solvers.unipc(both, noise, levels)[:, :, 1:]

    return sample


class TestEachIsItsOwn:
    """What was done to one of the MODELs counts for its steps, and for no others."""

    @pytest.mark.parametrize("which", [0, 1])
    def test_patches_of_weights(self, two, experts, ours, theirs, which):
        name = "blocks.1.ffn.0.weight"
        change = 0.3 * torch.randn(192, 128, generator=torch.Generator().manual_seed(5))
        plain = theirs(two)
        models = list(two)
        models[which] = models[which].clone()
        models[which].add_patches({f"diffusion_model.{name}": ("diff", (change,))}, 0.5)
        experts[which].base.get_parameter(name).add_(change, alpha=0.5)
        made = theirs(models)
        assert relative(made, ours(experts)) < CLOSE
        assert relative(made, plain) > 1e-3
        assert torch.equal(theirs(two), plain)

    @pytest.mark.parametrize("which", [0, 1])
    def test_an_attached_adapter(self, core, pack, two, experts, context, theirs, denoiser, by_hand, tmp_path, which):
        models = list(two)
        other = pack.nodes.comfy.sockets.AdapterFile(
            path=write_starter(tmp_path, core, seed=21) / "adapter.safetensors"
        )
        plug, half = pack.nodes.comfy.plug_wan.WAN_PLUG, pack.vace_core.sampling.options.AdapterOptions(strength=0.5)
        part = pack.nodes.comfy.hooks.Acting(options=half)
        handle = pack.nodes.attach._read(other, (0, 2), plug, models[which], (), {})
        models[which] = pack.nodes.comfy.hooks.attach(
            models[which], handle, plug.context(models[which], context), part, plug.room
        )
        adapters = [[expert.adapter] for expert in experts]
        adapters[which].append(core.loading.load.load_adapter(other.path, dtype=torch.float32, context_layers=(0, 2)))
        wanted = by_hand(*(denoiser(one, some) for one, some in zip(experts, adapters, strict=True)))
        made = theirs(models)
        assert relative(made, wanted) < CLOSE
        assert relative(theirs(two), wanted) > 1e-3

    @pytest.mark.parametrize("which", [0, 1])
    def test_guidance(self, two, experts, theirs, denoiser, by_hand, which):
        """By a node that changes how one MODEL is guided."""
        models = list(two)
        models[which] = models[which].clone()
        # What is guided there is the noise that is taken away.
        models[which].set_model_sampler_cfg_function(lambda args: args["cond"] * 0.9, disable_cfg1_optimization=True)
        halves = [denoiser(one, [one.adapter]) for one in experts]
        plain = denoiser(experts[which], [experts[which].adapter], guidance_scale=1.0)
        halves[which] = lambda latents, sigma: latents - (latents - plain(latents, sigma)) * 0.9
        wanted = by_hand(*halves)
        assert relative(theirs(models), wanted) < CLOSE
        assert relative(theirs(two), wanted) > 1e-3

    def test_wrappers_and_callbacks_as_in_any_sampling(self, two, theirs):
        events = []
        models = [watched(model, name, events) for model, name in zip(two, ("high", "low"), strict=True)]
        theirs(models, guidance_scale=1.0)
        assert events == [
            *("high begins", "high is prepared", *["high"] * HIGH, "high is cleaned up", "high ends"),
            *("low begins", "low is prepared", *["low"] * (STEPS - HIGH), "low is cleaned up", "low ends"),
        ]


def watched(model, name, events):
    """The MODEL, which tells what is done with it."""
    model = model.clone()

    def sampling(executor, *args, **kwargs):
        events.append(f"{name} begins")
        try:
            return executor(*args, **kwargs)
        finally:
            events.append(f"{name} ends")

    def call(executor, *args, **kwargs):
        events.append(name)
        return executor(*args, **kwargs)

    model.add_wrapper_with_key("outer_sample", "watch", sampling)
    model.add_wrapper_with_key("apply_model", "watch", call)
    model.add_callback("on_pre_run", lambda _: events.append(f"{name} is prepared"))
    model.add_callback("on_cleanup", lambda _: events.append(f"{name} is cleaned up"))
    return model


class TestStops:
    @pytest.mark.parametrize("at", [1, HIGH - 1, HIGH, STEPS - 1])
    def test_a_failure_leaves_nothing_behind(self, two, theirs, at):
        wanted, events = theirs(two), []
        models = [watched(model, name, events) for model, name in zip(two, ("high", "low"), strict=True)]

        def fail(index, total, denoised):
            if index == at:
                raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            theirs(models, on_step=fail)
        began = [name for name in ("high", "low") if f"{name} begins" in events]
        assert began == (["high"] if at < HIGH else ["high", "low"])
        assert [name for name in ("high", "low") if events.count(f"{name} is cleaned up") == 1] == began
        assert [model.model.current_patcher for model in models] == [None, None]
        assert torch.equal(theirs(two), wanted)

    @pytest.mark.parametrize("at", [1, HIGH])
    def test_an_interrupt(self, two, theirs, at):
        from comfy import model_management as management

        wanted, steps = theirs(two), []

        def interrupt(index, total, denoised):
            steps.append(index)
            if index == at:
                management.interrupt_current_processing(True)

        with pytest.raises(management.InterruptProcessingException):
            theirs(two, on_step=interrupt)
        assert steps == list(range(at + 1))
        assert torch.equal(theirs(two), wanted)


class TestMemory:
    """On a pretended card: another name of the processor, whose free memory is what we say."""

    @pytest.mark.parametrize(("free", "together"), [(1 << 40, True), (1 << 20, False)])
    def test_both_are_held_at_once_only_where_there_is_room(self, two, theirs, free, together):
        from comfy import model_management as management

        management.unload_all_models()
        card, held = torch.device("cpu", 0), []
        wanted = theirs(two)
        management.unload_all_models()
        models = [on_card(model, card) for model in two]

        def look(index, total, denoised):
            loaded = [one.model.model for one in management.current_loaded_models if one.model is not None]
            held.append([any(model.model is one for one in loaded) for model in models])

        real = management.get_free_memory

        def told(device=None, torch_free_too=False):
            if device != card:
                return real(device, torch_free_too)
            return (free, free) if torch_free_too else free

        with mock.patch.object(management, "get_free_memory", told):
            made = theirs(models, on_step=look)
        management.unload_all_models()
        assert held == [[True, False]] * HIGH + [[together, True]] * (STEPS - HIGH)
        assert torch.equal(made, wanted)


def on_card(model, card):
    clone = model.clone()
    clone.load_device = card
    return clone
