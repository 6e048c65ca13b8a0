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


def hlg(level: float) -> float:
    """ITU-R BT.2100: the light of the scene, 0..1."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return level**2 / 3 if level <= 0.5 else (np.exp((level - c) / a) + b) / 12


@pytest.mark.parametrize("level", [0.1, 0.5, 0.55, 0.7])
def test_hlg_is_as_bright_as_on_a_display_of_1000(level: float):
    shown = tone_mapped(torch.full((1, 1, 3), level), HLG)
    assert 203 * float(shown[0, 0, 1]) ** 2.4 == pytest.approx(1000 * hlg(level) ** 1.2, rel=0.005)


TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # ITU-R BT.2087
COLOURS = [(120.0, 40.0, 60.0), (30.0, 90.0, 20.0), (50.0, 60.0, 140.0)]  # cd/m2 of red, green and blue of BT.709


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_of_pq_are_those_that_were_meant(colour: tuple[float, float, float]):
    levels = [pq(nits) for nits in TO_2020 @ colour]
    shown = tone_mapped(torch.tensor(levels).float().view(1, 1, 3), PQ)[0, 0]
    assert (203 * shown.double() ** 2.4).tolist() == pytest.approx(list(colour), rel=0.02)


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_of_hlg_are_those_that_were_meant(colour: tuple[float, float, float]):
    """The display makes brightness, by the luma of BT.2020, and not each channel, steeper."""
    light = TO_2020 @ colour / 1000
    scene = light * (light @ (0.2627, 0.6780, 0.0593)) ** (1 / 1.2 - 1)
    levels = [np.sqrt(3 * one) if one <= 1 / 12 else np.interp(one, [hlg(x) for x in GRID], GRID) for one in scene]
    shown = tone_mapped(torch.tensor(levels).float().view(1, 1, 3), HLG)[0, 0]
    assert (203 * shown.double() ** 2.4).tolist() == pytest.approx(list(colour), rel=0.02)


GRID = np.linspace(0.5, 1, 5001)


def test_highlights_are_rolled_off_without_a_kink_and_keep_their_hue():
    knee = 0.8 * 203
    nits = torch.tensor([knee - 2, knee - 1, knee, knee + 1, knee + 2], dtype=torch.float64)
    ramp = torch.tensor([pq(float(one)) for one in nits]).float().view(1, -1, 1).expand(1, -1, 3)
    light = 203 * tone_mapped(ramp, PQ)[0, :, 1].double() ** 2.4
    below, above = light[1] - light[0], light[4] - light[2]
    assert above / below / 2 == pytest.approx(1, abs=0.06)
    assert light[4] < nits[4]
    bright = [pq(nits) for nits in TO_2020 @ (1200.0, 600.0, 300.0)]
    red, green, blue = (tone_mapped(torch.tensor(bright).float().view(1, 1, 3), PQ)[0, 0].double() ** 2.4).tolist()
    assert 0.95 < red < 1
    assert (green / red, blue / red) == (pytest.approx(0.5, rel=0.02), pytest.approx(0.25, rel=0.02))


def test_black_is_black():
    for transfer in (PQ, HLG):
        assert tone_mapped(torch.zeros(1, 1, 3), transfer).max() < 1e-2


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


def test_a_hdr_film_is_as_exact_as_it_is_stored_where_one_asks(tmp_path: Path):
    """A ramp that bytes cannot tell apart, and a part that begins later."""
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p10le"
        coding = stream.codec_context
        coding.color_trc, coding.colorspace, coding.color_primaries, coding.color_range = PQ, 9, 9, 1
        for index in range(2):
            frame = av.VideoFrame(64, 32, "yuv420p10le")
            luma = np.tile(np.arange(400, 464, dtype=np.uint16) + index, (32, 1))
            for plane, value in zip(frame.planes, (luma, 512, 512), strict=True):
                levels = value if isinstance(value, np.ndarray) else np.full((16, 32), value, np.uint16)
                padded = np.zeros((plane.height, plane.line_size // 2), np.uint16)
                padded[:, : plane.width] = levels
                plane.update(padded.tobytes())
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    film = open_footage(tmp_path / "a.mkv", tone_map=True)
    assert (film.alpha, film.colour.full, film.colour.matrix) == (False, False, 1)
    deep, shallow = next(film.pictures([1], deep=True)), next(film.pictures([1]))
    wanted = tone_mapped(((torch.arange(401.0, 465.0) / 4 - 16) / 219)[None, :, None].expand(1, -1, 3), PQ)[0]
    assert (deep.dtype, shallow.dtype) == (torch.float32, torch.uint8)
    assert (deep[3] - wanted).abs().max() < 1e-5
    assert torch.equal(shallow, (deep * 255).round().to(torch.uint8))
