"""What does not fit into memory is refused before it is taken, with the largest size that fits."""

from __future__ import annotations

import re
import sys
from functools import partial
from types import SimpleNamespace

import pytest
import tiny
import torch
from filling import fill
from forked import forked
from hypothesis import given
from hypothesis import strategies as st

from vace_core import tasks
from vace_core.checks import room
from vace_core.checks.room import SMALL, advice, check_room, check_vcu_room, free_bytes, most_bytes
from vace_core.context import encode_context
from vace_core.errors import InputError
from vace_core.inputs import fitting, layout
from vace_core.inputs.fitting import plan, plan_exact
from vace_core.inputs.layout import BoxKey, BoxPath
from vace_core.inputs.references import cover, letterbox
from vace_core.inputs.resizing import resize_frames, resize_masks
from vace_core.models.wan import dit as wan
from vace_core.models.wan.vae import WanVaeNetwork
from vace_core.models.wan.vae_stream import WanVae
from vace_core.pipeline import finish, make_noise
from vace_core.preview.sheet import contact_sheet
from vace_core.tasks import anything

ENDLESS = 8192**3 * 17  # a clip of the largest length, height and width that a widget offers
SIDES = st.integers(1, 8192)


def test_what_fits_passes():
    check_room(0, "The clip", frames=81, height=720, width=1280)
    check_room(1 << 20, "The clip")


def test_the_system_tells_what_is_free():
    assert 16 << 20 < free_bytes() < 1 << 60


def test_no_more_is_filled_than_is_free_or_was_allowed():
    assert most_bytes(5) == 5
    assert most_bytes(SMALL) == SMALL
    assert SMALL <= most_bytes(1 << 60) < 1 << 60


MEMORY = "MemTotal: 9000 kB\nMemFree: 500 kB\nMemAvailable: 1000 kB\nSwapTotal: 90 kB\nSwapFree: 24 kB\n"
STATS = "anon 100000\nfile 700000\nshmem 50000\ntotal_rss 3000\ntotal_shmem 4000\n"
SYSTEMS = {
    "what is available, and free swap": ({"proc/meminfo": MEMORY}, 1024 << 10),
    "an old system, without copies of files": (
        {"proc/meminfo": "MemFree: 500 kB\nSwapFree: 24 kB\nHugePages: many\n"}, 524 << 10
    ),
    "a control group": ({"proc/meminfo": MEMORY, "sys/fs/cgroup/memory.max": "900000\n",
                         "sys/fs/cgroup/memory.stat": STATS}, 750000),
    "a control group that is full": ({"proc/meminfo": MEMORY, "sys/fs/cgroup/memory.max": "90000",
                                      "sys/fs/cgroup/memory.stat": STATS}, 0),
    "a control group that tells of no shared memory": (
        {"proc/meminfo": MEMORY, "sys/fs/cgroup/memory.max": "900000", "sys/fs/cgroup/memory.stat": "anon 100000\n"},
        800000,
    ),
    "a control group without a limit": ({"proc/meminfo": MEMORY, "sys/fs/cgroup/memory.max": "max\n"}, 1024 << 10),
    "a control group of the first version": (
        {"proc/meminfo": MEMORY, "sys/fs/cgroup/memory/memory.limit_in_bytes": "400000",
         "sys/fs/cgroup/memory/memory.stat": STATS}, 393000
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_linux_tells_is_read(tmp_path, name):
    files, wanted = SYSTEMS[name]
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    assert free_bytes(tmp_path) == wanted


def test_a_system_that_tells_nothing_has_some_memory_all_the_same(tmp_path):
    assert 16 << 20 < free_bytes(tmp_path) < 1 << 60


def test_without_proc_psutil_tells_what_is_free(tmp_path, monkeypatch):
    told = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=5 << 20),
                           swap_memory=lambda: SimpleNamespace(free=2 << 20))  # fmt: skip
    monkeypatch.setitem(sys.modules, "psutil", told)
    assert free_bytes(tmp_path) == 7 << 20
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 300}.__getitem__)
    assert free_bytes(tmp_path) == 4096 * 300


def test_where_nothing_tells_what_is_free_32_gib_are_taken_to_be(tmp_path, monkeypatch):
    """A system without /proc, without psutil, and one that does not know its own memory."""
    monkeypatch.setitem(sys.modules, "psutil", None)
    for unknown in (OSError, ValueError, AttributeError):
        monkeypatch.setattr("os.sysconf", partial(_raise, unknown))
        assert free_bytes(tmp_path) == 32 << 30


def _raise(error, *_):
    raise error


def test_a_refusal_says_what_came_what_fits_and_what_to_do():
    with pytest.raises(InputError) as error:
        check_room(ENDLESS, "The clip", frames=8192, height=8192, width=8192)
    assert error.value.code == "out-of-room"
    said = error.value.fields
    assert (said["what"], said["has"]) == ("The clip", "has 8192 frames of 8192 x 8192 pixels and ")
    assert said["needed_bytes"] == "8.50 TiB"
    assert re.fullmatch(r"\d+\.\d\d [GT]iB", said["free"])
    assert said["advice"].startswith("The largest that fit are ")


def test_the_largest_length_and_size_are_named():
    assert advice(ENDLESS, 20 << 30, frames=8192, height=8192, width=8192) == (
        "The largest that fit are 9 frames of this size or 352 x 352 pixels at 8192 frames. "
        "Choose one of these, or free some memory."
    )
    assert advice(2 << 30, 1 << 30, frames=None, height=1024, width=2048).startswith(
        "The largest that fit are 1344 x 672 pixels. "
    )
    assert advice(2 << 30, 1 << 30, frames=82, height=None, width=None).startswith(
        "The largest that fit are 33 frames."
    )
    nothing = "Make it smaller or shorter, close other programs, or use a machine with more memory."
    assert advice(2 << 30, 1, frames=8192, height=16, width=16) == nothing
    assert advice(2 << 30, 1 << 30, frames=None, height=None, width=None) == nothing


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((81, 480, 832), "17 frames of this size or 384 x 192 pixels at 81 frames"),
        ((81, 832, 480), "17 frames of this size or 192 x 384 pixels at 81 frames"),
        ((1, 832, 480), "192 x 384 pixels"),
        ((2, 512, 512), "224 x 224 pixels at 2 frames"),
        ((82, None, 832), "17 frames"),
        ((9, None, None), "1 frame"),
    ],
)
def test_a_quarter_of_what_is_needed_gives_half_the_sides_or_a_quarter_of_the_length(size, said):
    """A little less, since what is free changes; in whole steps of every model, of the same shape."""
    frames, height, width = size
    wanted = f"The largest that fit are {said}. Choose one of these, or free some memory."
    assert advice(4 << 30, 1 << 30, frames=frames, height=height, width=width) == wanted


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        (partial(check_room, 1 << 60, "The noise"), "The noise needs 1.00 EiB of memory. "),
        (partial(check_room, 3 << 59, "The clip", frames=1), "The clip has 1 frame and needs 1.50 EiB of memory. "),
        (partial(check_room, 1023 << 40, "The clip", height=9), "The clip needs 1023.00 TiB of memory. "),
        (partial(check_room, 5 << 49, "The sheet", height=3, width=2), "The sheet has 2 x 3 pixels and needs 2.50 PiB"),
        (partial(check_room, 1 << 70, "The clip"), "The clip needs more than 1024 EiB of memory. "),
        (partial(tasks.text, num_frames=1 << 14, height=1 << 13, width=1 << 13), "The clip has 16384 frames of "
                                                           "8192 x 8192 pixels and needs 17.00 TiB of memory. "),
        (
            partial(check_vcu_room, 1, 1 << 14, 1 << 13, 1 << 13),
            "The clip has 16384 frames of 8192 x 8192 pixels and needs 17.00 TiB of memory. ",
        ),
        (
            partial(check_vcu_room, 2, 1 << 14, 1 << 13, 1 << 13, what="The unit", clips=2),
            "The unit has 16384 frames of 8192 x 8192 pixels and needs 82.00 TiB of memory. ",
        ),
    ],
)  # fmt: skip
def test_a_refusal_begins_with_what_came_and_what_it_takes(needed, said):
    """A unit takes 17 bytes a pixel, and 12 more for each clip that is made for it."""
    with pytest.raises(InputError) as error:
        needed()
    assert str(error.value).startswith(said)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is set by a call of Linux")
class TestWithinALimitOfTheProcess:
    def test_it_counts(self):
        child = forked(lambda: free_bytes() >> 20, memory=300 << 20)
        assert 200 <= int(child.text) <= 300, child

    def test_what_is_small_passes_all_the_same(self):
        assert forked(lambda: check_room(64 << 20, "The clip"), memory=8 << 20).error == ""
        assert forked(lambda: check_room((64 << 20) + 1, "The clip"), memory=8 << 20).error == "InputError"


@given(frames=st.integers(1, 8192), height=SIDES, width=SIDES, free=st.integers(1, 1 << 40), each=st.integers(1, 64))
def test_what_is_advised_fits(frames, height, width, free, each):
    text = advice(frames * height * width * each, free, frames=frames, height=height, width=width)
    for length in re.findall(r"(\d+) frames? of this size", text):
        assert int(length) * height * width * each <= free
    for w, h in re.findall(r"(\d+) x (\d+) pixels", text):
        assert frames * int(h) * int(w) * each <= free


@pytest.mark.parametrize("digits", [20, 400, 9000])
def test_no_number_is_too_large_for_the_sentence(digits):
    with pytest.raises(InputError) as error:
        check_room(10**digits * 256, "The clip", frames=10**digits, height=16, width=16)
    assert re.fullmatch(r"has over 10\^\d+ frames of 16 x 16 pixels and ", error.value.fields["has"])
    assert error.value.fields["needed_bytes"].endswith("EiB")


@pytest.mark.parametrize(("count", "said"), [(10**18 - 1, "9" * 18), (10**18, "over 10^17"), (2**70, "over 10^21")])
def test_numbers_of_more_than_18_digits_are_rounded(count, said):
    with pytest.raises(InputError) as error:
        check_room(1 << 80, "The clip", frames=count)
    assert error.value.fields["has"] == f"has {said} frames and "


SIZE = {"num_frames": 8193, "height": 8192, "width": 8192}
STILL, MASK = torch.zeros(1, 3, 1, 16, 16), torch.ones(1, 1, 1, 16, 16)
PATHS = [BoxPath(keys=(BoxKey(time=0, x=0.5, y=0.5, width=0.1, height=0.1),))]
LARGE = plan_exact(1, 16, 16, wan.GRID, size=(1 << 21, 1 << 21), fps=16)
TYPED = {
    "text": partial(tasks.text, **SIZE),
    "text of more frames than a float can hold": partial(tasks.text, num_frames=10**400, height=16, width=16),
    "reference": partial(tasks.reference, [STILL], **SIZE),
    "reference, size alone": partial(tasks.reference, [STILL], num_frames=1, height=1 << 22, width=1 << 22),
    "reference anything": partial(anything.reference_anything, [STILL], masks=[MASK], **SIZE),
    "outpaint": partial(tasks.outpaint, STILL, left=1 << 22, top=1 << 22),
    "extend": partial(tasks.extend, STILL, num_frames=10**12),
    "join": partial(anything.join, STILL, STILL, num_frames=10**12),
    "keyframes": partial(tasks.keyframes, {0: STILL}, num_frames=10**12),
    "layout": partial(tasks.layout, PATHS, **SIZE),
    "move": partial(anything.move_anything, STILL, PATHS, num_frames=10**12),
    "expand": partial(anything.expand_anything, STILL, num_frames=10**12, left=16),
    "draw_layout": partial(layout.draw_layout, PATHS, **SIZE),
    "boxes": partial(layout.boxes, PATHS[0], 10**12),
    "path_mask": partial(layout.path_mask, PATHS, **SIZE),
    "letterbox": partial(letterbox, STILL, 1 << 22, 1 << 22),
    "plan": partial(
        plan, 10**12, 16, 16, fitting.ResolutionPreset(grid=wan.GRID, max_area=256, max_tokens=1, fps=16), fps=16
    ),
    "plan_exact": partial(plan_exact, 10**12 + 1, 16, 16, wan.GRID, fps=16),
    "apply": partial(resize_frames, STILL, LARGE),
    "resize_masks": partial(resize_masks, MASK, LARGE),
    "make_noise": partial(make_noise, (1, 16, 2049, 1024, 1024 << 10), 0),
}


@pytest.mark.parametrize("name", TYPED)
def test_whatever_is_typed_is_refused_before_memory_is_taken(name):
    with pytest.raises(InputError) as error:
        TYPED[name]()
    assert error.value.code == "out-of-room"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is set by a call of Linux")
@pytest.mark.parametrize("name", ["encode", "finish", "preview"])
def test_a_unit_too_large_for_what_comes_next_is_refused_in_a_sentence(name):
    vcu, vae = tasks.text(num_frames=81, height=480, width=832), WanVae(fill(WanVaeNetwork(width=4, blocks=1)))
    latents = torch.zeros(1, 16, 21, 60, 104)
    jobs = {
        "encode": lambda: encode_context(vcu, vae, wan.encode_masks),
        "finish": lambda: finish(vae, vcu, latents),
        "preview": lambda: contact_sheet(vcu),
    }
    child = forked(jobs[name], memory=200 << 20)
    assert (child.error, child.grown < 64 << 20) == ("InputError", True), child.text
    assert " 832 x 480 pixels and needs " in child.text


SMALL_UNIT, SMALL_SIZE = tasks.text(num_frames=5, height=32, width=48), 5 * 32 * 48
CLIP = torch.zeros(2, 3, 5, 32, 48)
PLANS = [plan_exact(5, 32, 48, wan.GRID, size=size, fps=16) for size in ((32, 48), (16, 16))]
EXACT = {
    "a path": (lambda: layout.boxes(PATHS[0], 9), 9 * 1024),
    "a layout": (lambda: layout.draw_layout(PATHS, num_frames=9, height=32, width=64), 9 * 32 * 64 * 27),
    "a mask of boxes": (lambda: layout.path_mask(PATHS, num_frames=9, height=32, width=128), 9 * 32 * 128 * 4),
    "a plan": (lambda: fitting.frame_times(7, 16.0, None), 7 * 100),
    "a clip as it is": (lambda: resize_frames(CLIP, PLANS[0]), 2 * SMALL_SIZE * 12),
    "a smaller clip": (lambda: resize_frames(CLIP, PLANS[1]), 2 * (5 * 16 * 16 * 12 + 2 * 12 * 16 * 24)),
    "a mask as it is": (lambda: resize_masks(CLIP[:, :1], PLANS[0]), 2 * SMALL_SIZE * 10),
    "a smaller mask": (lambda: resize_masks(CLIP[:, :1], PLANS[1]), 2 * (5 * 16 * 16 * 10 + 2 * 12 * 16 * 24)),
    "a reference on white": (lambda: letterbox(CLIP[:, :, :1], 20, 40), 2 * 2 * 20 * 40 * 12),
    "a style image": (lambda: cover(CLIP[:, :, :1], 20, 40), 2 * 2 * 20 * 40 * 12),
    "a task without a clip": (lambda: tasks.text(num_frames=5, height=32, width=48), SMALL_SIZE * 17),
    "keyframes": (lambda: tasks.keyframes({3: CLIP[:, :, :1]}, num_frames=5), 2 * SMALL_SIZE * (17 + 12)),
    "an extension": (lambda: tasks.extend(CLIP, num_frames=9), 2 * 9 * 32 * 48 * (17 + 12)),
    "an expansion": (
        lambda: anything.expand_anything(CLIP[:, :, :1], num_frames=5, right=0.5, step=8),
        2 * 5 * 32 * 72 * (17 + 12),
    ),
    "noise": (lambda: make_noise((1, 3, 5, 7), 0), 4 * 3 * 5 * 7),
    "a sheet": (lambda: contact_sheet(SMALL_UNIT), (5 * (29 + 2 * 12) + 4 * 5) * 32 * 48),
    "a sheet of a part": (lambda: contact_sheet(SMALL_UNIT, columns=2), (2 * (29 + 2 * 12) + 4 * 5) * 32 * 48),
    "encoding": (lambda: encode_context(SMALL_UNIT, tiny.vae(), wan.encode_masks), SMALL_SIZE * 16),
    "decoding": (lambda: finish(tiny.vae(), SMALL_UNIT, torch.zeros(1, 16, 2, 4, 6)), SMALL_SIZE * 12),
    "decoding beside a source": (
        lambda: finish(tiny.vae(), tasks.inpaint(CLIP[:1], torch.ones(1, 1, 5, 32, 48)), torch.zeros(1, 16, 2, 4, 6)),
        SMALL_SIZE * 24,
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_what_is_asked_for_is_what_will_be_taken(name, monkeypatch):
    """As many bytes as are needed are enough, and one less is refused."""
    job, needed = EXACT[name]
    monkeypatch.setattr(room, "SMALL", 0)
    monkeypatch.setattr(room, "free_bytes", lambda: needed)
    job()
    monkeypatch.setattr(room, "free_bytes", lambda: needed - 1)
    with pytest.raises(InputError) as error:
        job()
    assert error.value.code == "out-of-room"
