"""Kernels of attention by name: exact ones give what torch's own choice gives, and what is not there is a sentence."""

from __future__ import annotations

import sys
import warnings
from importlib import metadata
from types import SimpleNamespace

import pytest
import tiny
import torch
from refused import refused
from typer.testing import CliRunner

from vace_core.cli import app
from vace_core.cli.speed import AttentionName
from vace_core.errors import InputError
from vace_core.models import layers
from vace_core.models.attention import ATTENTIONS, attention_named, check_attention, layers_with
from vace_core.models.wan.dit import WanDit
from vace_core.starter.opened import open_model

CPU, HALF = torch.device("cpu"), torch.bfloat16
SIGMA = torch.tensor([0.7])


def qkv(keys: int = 10) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(1, 2, count, 128, generator=generator) for count in (12, keys, keys))


def with_text(name: str) -> torch.Tensor:
    """A pass of a tiny Wan with a prompt that is padded."""
    base = WanDit(tiny.SIZES, layers_with(name))
    base.load_state_dict(tiny.base().state_dict())
    text = base.prepare_text(torch.randn(1, 5, 32, generator=torch.Generator().manual_seed(1)))
    latents = torch.randn(1, 16, 2, 4, 4, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return base(latents, SIGMA, text)


@torch.no_grad()
def test_a_kernel_without_bias_gives_the_same_by_padded_text():
    assert torch.allclose(with_text("flash"), with_text("auto"), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", ["auto", "flash"])
def test_clips_of_a_batch_share_a_prompt(name):
    base = WanDit(tiny.SIZES, layers_with(name))
    base.load_state_dict(tiny.base().state_dict())
    text = base.prepare_text(torch.randn(1, 5, 32, generator=torch.Generator().manual_seed(1)))
    clips = torch.randn(2, 16, 2, 4, 4, generator=torch.Generator().manual_seed(2))
    each = torch.cat([base(clip[None], SIGMA, text) for clip in clips])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns where it takes none of its fast kernels
        assert torch.allclose(base(clips, SIGMA.expand(2), text), each, rtol=0, atol=1e-5)


@torch.no_grad()
def test_prompts_of_a_batch_are_prepared_each_for_itself():
    base = WanDit(tiny.SIZES)
    base.load_state_dict(tiny.base().state_dict())
    embeds = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(1))
    both, each = base.prepare_text(embeds), [base.prepare_text(one[None]) for one in embeds]
    for name in ("tokens", "bias"):
        assert torch.equal(getattr(both, name), torch.cat([getattr(one, name) for one in each]))


def test_the_text_is_padded_for_it_alone():
    lengths = {name: prepared(name).tokens.shape[1] for name in ("auto", "flash", "sage", "efficient")}
    assert lengths == {"auto": 6, "flash": 512, "sage": 6, "efficient": 6}
    assert prepared("flash").bias is None
    assert prepared("sage").bias is not None


def prepared(name: str):
    return WanDit(tiny.SIZES, layers_with(name)).prepare_text(torch.zeros(1, 5, 32))


def test_flash_is_exact():
    q, k, v = qkv()
    assert torch.allclose(attention_named("flash")(q, k, v), layers.attention(q, k, v), atol=1e-6)


def test_auto_is_the_library_own():
    assert attention_named("auto") is layers.attention
    assert layers_with("auto") is layers
    check_attention("auto", CPU, HALF, 128)


def test_the_command_offers_all():
    assert tuple(name.value for name in AttentionName) == ATTENTIONS


@pytest.mark.parametrize("name", ["sage", "xformers", "flash3"])
def test_a_package_that_is_missing_is_a_sentence(name):
    with pytest.raises(InputError) as error:
        check_attention(name, CPU, HALF, 128)
    assert error.value.code == "attention-package"
    assert error.value.fields["found"] == "not installed"


def test_a_package_of_a_wrong_version_is_a_sentence(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda _: "1.0.5+cu124")
    with pytest.raises(InputError) as error:
        check_attention("sage", CPU, HALF, 128)
    assert refused(error.value) == "attention-package: found=1.0.5+cu124, least=1.0.6, name=sage, package=sageattention"


def test_a_package_is_called_with_what_it_takes(monkeypatch):
    """Shapes as both packages document them; text with a bias stays with torch."""
    q, k, v = qkv()
    seen: list[tuple[int, ...]] = []

    def sageattn(q, k, v, *, tensor_layout):
        assert tensor_layout == "HND"
        seen.append(tuple(q.shape))
        return torch.nn.functional.scaled_dot_product_attention(q, k, v)

    def memory_efficient_attention(q, k, v):
        seen.append(tuple(q.shape))
        return sageattn(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), tensor_layout="HND").transpose(1, 2)

    monkeypatch.setattr(metadata, "version", lambda _: "2.2.0")
    monkeypatch.setitem(sys.modules, "sageattention", SimpleNamespace(sageattn=sageattn))
    monkeypatch.setitem(
        sys.modules, "xformers.ops", SimpleNamespace(memory_efficient_attention=memory_efficient_attention)
    )
    wanted = layers.attention(q, k, v)
    for name in ("sage", "xformers"):
        check_attention(name, CPU, HALF, 128)
        assert torch.allclose(attention_named(name)(q, k, v), wanted, atol=1e-6)
    assert seen[1] == (1, 2, 12, 128)  # after the few numbers of the check
    seen.clear()
    bias = torch.zeros(1, 1, 1, 10)
    for name in ("sage", "xformers"):
        assert torch.equal(attention_named(name)(q, k, v, bias), layers.attention(q, k, v, bias))
    assert seen == []


@pytest.mark.parametrize("name", ["cudnn", "efficient"])
def test_a_kernel_that_a_device_lacks_is_a_sentence(name):
    with pytest.raises(InputError) as error:
        check_attention(name, CPU, HALF, 128)
    assert error.value.code == "attention-refused"


def test_another_name_is_a_sentence():
    with pytest.raises(InputError) as error:
        open_model(attention="fast", device="cpu")
    assert error.value.code == "attention-unknown"


def test_the_command_refuses_before_anything_is_read(tmp_path):
    words = ["text", "-p", "x", "--device", "cpu", "--attention", "sage", "-o", str(tmp_path / "x.mp4")]
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 3
    assert "sageattention" in ended.output
    assert not list(tmp_path.iterdir())
