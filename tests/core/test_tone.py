"""HDR is shown on an SDR display as bright as it was meant, as far as that display goes."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from vace_core.media.edited import write_edited
from vace_core.media.sources import open_footage
from vace_core.media.tone import HLG, PQ, tone_mapped


def pq(nits: float) -> float:
    """SMPTE ST 2084, the inverse EOTF."""
    y = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


@pytest.mark.parametrize("nits", [0.0, 5.0, 50.0, 100.0, 160.0])
def test_up_to_the_knee_brightness_is_kept(nits: float):
    shown = tone_mapped(torch.full((1, 1, 3), pq(nits)), PQ)
    assert 203 * shown[0, 0].double() ** 2.4 == pytest.approx(torch.full((3,), nits).double(), rel=0.01, abs=0.05)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_gray_stays_gray_and_brighter_stays_brighter(transfer: int):
    ramp = tone_mapped(torch.linspace(0, 1, 200).view(1, -1, 1).expand(1, -1, 3), transfer)[0]
    assert (ramp.amax(1) - ramp.amin(1)).max() < 2e-3
    assert (ramp[1:, 1] > ramp[:-1, 1]).all()
    assert ramp[0].max() < 0.02
    assert ramp[-1].min() > 0.98


def test_white_of_hlg_is_the_white_of_its_standard():
    shown = tone_mapped(torch.full((1, 1, 3), 0.75), HLG)  # 203 cd/m2 on a display of 1000, BT.2408
    assert 203 * float(shown[0, 0, 0]) ** 2.4 == pytest.approx(203 * 0.9, rel=0.01)


def test_a_hdr_film_is_read_and_written_as_sdr_where_one_asks(tmp_path: Path):
    level = round((pq(100) * 219 + 16) * 4)
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        coding = stream.codec_context
        coding.color_trc, coding.colorspace, coding.color_primaries, coding.color_range = PQ, 9, 9, 1
        for index in range(3):
            frame = av.VideoFrame(64, 64, "yuv420p10le")
            for plane, value in zip(frame.planes, (level, 512, 512), strict=True):
                plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    film = open_footage(tmp_path / "a.mp4", tone_map=True)
    wanted = (100 / 203) ** (1 / 2.4) * 255
    assert (film.frame(1)[0].float() - wanted).abs().max() < 1.5
    assert "It is HDR and tone-mapped to standard dynamic range, BT.709." in film.notes
    write_edited(tmp_path / "b.mp4", film, [])
    result = open_footage(tmp_path / "b.mp4")
    assert (result.colour, result.bits) == (film.colour, 10)
    assert (result.frame(1)[0].float() - wanted).abs().max() < 2
