"""What becomes of real footage: 21 kinds of it, edited and written again, and the memory that long films take.

    python benchmarks/footage.py [--browser PYTHON]     PYTHON has playwright, and Chromium is there
    python benchmarks/footage.py --memory

FFmpeg's own programs make the footage and read it and the results, so that nothing of the library is its own witness.
Every film shows a patch of one colour at its top left, moving noise elsewhere, and is edited in its middle.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from measuring import RESULTS, show, torch

from vace_core.errors import InputError
from vace_core.inputs.put_back import Edit
from vace_core.media.edited import write_edited
from vace_core.media.pictures import write_image
from vace_core.media.sources import open_footage

# A green. Chromium shows a flat BT.709 patch with a large blue difference up to 3 levels off, whoever coded it, so that
# a picture and a video of the same colour differ there; the blue difference of this one is small.
PATCH = (60, 120, 100)
JOBS, GROUP = ("inpaint", "extend"), 100
WITNESS = ["ffmpeg", "-v", "error", "-nostdin", "-y"]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of footage.

    Attributes:
        name: As an editor calls it.
        file: Its name.
        size: `(W, H)` as stored.
        rate: Frames per second.
        frames: How many.
        video: How FFmpeg codes it.
        sound: How FFmpeg codes its sound, empty = silent.
        matrix: What the levels are made by; also what players take where nothing is stated.
        filters: Further filters.
        refused: What the library says of it where it does not take it.
        plays: Whether Chromium plays the file as it came.
        turned: A quarter turn that the file is marked with.
    """

    name: str
    file: str
    size: tuple[int, int] = (320, 240)
    rate: str = "25"
    frames: int = 24
    video: str = "-c:v libx264 -pix_fmt yuv420p -crf 8 -preset veryfast"
    sound: str = ""
    matrix: str = "bt709"
    filters: str = ""
    tags: bool = True
    refused: str = ""
    plays: bool = True
    turned: bool = False


H264 = "-c:v libx264 -pix_fmt yuv420p -crf 8 -preset veryfast"
AAC = "-c:a aac -b:a 128k"
KINDS = [
    Kind(
        name="phone portrait, marked as turned",
        file="phone.mp4",
        size=(1280, 720),
        rate="30",
        frames=12,
        sound=AAC,
        turned=True,
    ),
    Kind(name="23.976 fps", file="film.mp4", rate="24000/1001", sound=AAC),
    Kind(name="29.97 fps", file="ntsc.mp4", rate="30000/1001", sound=AAC),
    Kind(name="50 fps", file="fifty.mp4", rate="50"),
    Kind(name="60 fps", file="sixty.mp4", rate="60"),
    Kind(name="variable rate", file="varying.mp4", filters="select='not(mod(n,5)*not(mod(n,3)))',"),
    Kind(name="4K", file="uhd.mp4", size=(3840, 2160), frames=3),
    Kind(
        name="10-bit HEVC",
        file="ten.mp4",
        video="-c:v libx265 -pix_fmt yuv420p10le -crf 8 -tag:v hvc1 -x265-params log-level=none",
        plays=False,
    ),
    Kind(
        name="HDR (PQ)",
        file="hdr.mp4",
        matrix="bt2020nc",
        video="-c:v libx265 -pix_fmt yuv420p10le -tag:v hvc1 "
        "-color_trc smpte2084 -color_primaries bt2020 -colorspace bt2020nc -x265-params "
        "log-level=none:transfer=smpte2084:colorprim=bt2020:colormatrix=bt2020nc",
        refused="is HDR, PQ",
    ),
    Kind(
        name="ProRes 422 HQ",
        file="prores.mov",
        video="-c:v prores_ks -profile:v 3 -pix_fmt yuv422p10le",
        sound="-c:a pcm_s16le",
        plays=False,
    ),
    Kind(
        name="WebM with alpha",
        file="alpha.webm",
        video="-c:v libvpx-vp9 -pix_fmt yuva420p -crf 8 -b:v 0 -cpu-used 8",
        filters="geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='if(gt(Y,200),90,255)',",
        sound="-c:a libopus",
    ),
    Kind(name="GIF", file="anim.gif", video="-c:v gif", plays=True, tags=False),
    Kind(name="folder of PNG", file="shots", video="-c:v png -pix_fmt rgb24", tags=False),
    Kind(name="one frame", file="one.png", frames=1, video="-c:v png -pix_fmt rgb24", tags=False),
    Kind(name="3 s of 75 frames", file="three.mp4", frames=75, sound=AAC),
    Kind(
        name="interlaced SD",
        file="inter.mp4",
        size=(720, 576),
        matrix="smpte170m",
        video=f"{H264} -flags +ilme+ildct -x264-params tff=1",
        refused="is interlaced",
    ),
    Kind(name="anamorphic PAL", file="pal.mp4", size=(720, 576), matrix="bt470bg", filters="setsar=64/45,"),
    Kind(name="mp4 with AAC", file="sound.mp4", sound=AAC, frames=50),
    Kind(name="HD without tags", file="bare.mp4", size=(1280, 720), frames=12, tags=False),
    Kind(name="SD without tags", file="small.mp4", size=(640, 480), matrix="smpte170m", tags=False),
    Kind(name="full range", file="full.mp4", video=f"{H264} -color_range pc"),
]


def make(kind: Kind, folder: Path) -> Path:
    """The footage, by FFmpeg."""
    path = folder / kind.file
    (w, h), seconds = kind.size, kind.frames / float(Fraction(kind.rate))
    rgb = "0x" + "".join(f"{level:02x}" for level in PATCH)
    lasts = seconds - 0.5 / float(Fraction(kind.rate))
    graph = f"testsrc2=s={w}x{h}:r={kind.rate}:d={lasts:.6f},noise=alls=12:allf=t,format=gbrp,"
    graph += f"drawbox=0:0:{w // 3}:{h // 3}:{rgb}:t=fill,"
    rgb_file = kind.file.endswith((".gif", ".png")) or kind.file == "shots"
    if rgb_file:
        graph += "format=rgb24"
    else:
        span = "pc" if "color_range pc" in kind.video else "tv"
        coded = re.search(r"-pix_fmt (\S+)", kind.video)
        assert coded
        matrix = {"smpte170m": "bt601", "bt470bg": "bt601", "bt2020nc": "bt2020"}.get(kind.matrix, kind.matrix)
        graph += f"scale=out_color_matrix={matrix}:out_range={span}:flags=accurate_rnd+full_chroma_int,"
        graph += f"format={coded[1]},{kind.filters}"
        tags = ("bt470bg" if kind.matrix == "bt470bg" else kind.matrix) if kind.tags else "unknown"
        graph += f"setparams=colorspace={tags}:range={span if kind.tags else 'unknown'}"
    command = [*WITNESS, "-f", "lavfi", "-i", graph]
    if kind.sound:
        command += ["-f", "lavfi", "-i", f"anoisesrc=d={seconds}:c=pink:a=0.4:seed=1,aformat=channel_layouts=stereo"]
    if kind.tags and not rgb_file and "color_trc" not in kind.video:
        trc = {"bt470bg": "smpte170m"}.get(kind.matrix, kind.matrix)
        command += ["-color_primaries", kind.matrix, "-color_trc", trc, "-colorspace", kind.matrix]
    if kind.file == "shots":
        path.mkdir()
    command += [*kind.video.split(), *kind.sound.split(), *(["-vsync", "vfr"] if "select" in kind.filters else [])]
    target = folder / f"raw-{kind.file}" if kind.turned else path
    subprocess.run([*command, str(target / "f_%04d.png" if kind.file == "shots" else target)], check=True)
    if kind.turned:
        subprocess.run([*WITNESS, "-i", str(target), "-c", "copy", "-metadata:s:v", "rotate=90", str(path)], check=True)
    return path


def probe(path: Path) -> dict[str, Any]:
    """What ffprobe says of the pictures, and how long the sound is."""
    given = str(path / "f_%04d.png") if path.is_dir() else str(path)
    entries = "stream=codec_type,width,height,pix_fmt,avg_frame_rate,sample_aspect_ratio,duration,nb_read_frames"
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", f"{entries}:stream_side_data=rotation"]
    found = json.loads(subprocess.run([*command, "-of", "json", given], check=True, capture_output=True).stdout)
    video = next(stream for stream in found["streams"] if stream["codec_type"] == "video")
    return video | {"sound": any(stream["codec_type"] == "audio" for stream in found["streams"])}


def decoded(path: Path, pix_fmt: str, *, kind: Kind | None = None, count: int | None = None) -> bytes:
    """All pictures as FFmpeg's program reads them; for `kind`, as a player takes what states no matrix."""
    given = str(path / "f_%04d.png") if path.is_dir() else str(path)
    command = [*WITNESS, *(["-c:v", "libvpx-vp9"] if path.suffix == ".webm" else []), "-i", given]
    if kind is None and pix_fmt == "yuv420p" and path.suffix in (".gif", ".png", ""):
        command += ["-vf", "scale=out_color_matrix=bt709:flags=accurate_rnd+full_chroma_int"]
    if kind is not None and pix_fmt == "rgb24":
        guess = [] if kind.tags else [f"in_color_matrix={'bt709' if kind.matrix == 'bt709' else 'bt601'}"]
        command += ["-vf", "scale=" + ":".join([*guess, "flags=accurate_rnd+full_chroma_int"])]
    command += ["-vsync", "passthrough", *(["-frames:v", str(count)] if count else [])]
    return subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", pix_fmt, "-"], check=True, capture_output=True
    ).stdout


def patch_of(path: Path, kind: Kind, size: tuple[int, int]) -> np.ndarray:
    """Mean RGB of the first frame within the patch."""
    picture = np.frombuffer(decoded(path, "rgb24", kind=kind, count=1), np.uint8).reshape(*size, 3)
    return within(picture, kind).reshape(-1, 3).mean(0)


def within(picture: np.ndarray, kind: Kind) -> np.ndarray:
    """The inner part of the patch, which a quarter turn brings to the other side."""
    height, width = picture.shape[:2]
    rows, columns = slice(height // 12, height // 4), slice(width // 12, width // 4)
    return picture[rows, slice(width - width // 4, width - width // 12)] if kind.turned else picture[rows, columns]


def edit_of(count: int, size: tuple[int, int]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Orange in the middle half of every frame, two frames at a time."""
    height, width = size
    changed = torch.zeros(1, height, width)
    changed[:, height // 2 : height // 2 + height // 4, width // 2 : width // 2 + width // 4] = 1
    orange = torch.tensor([230, 130, 30], dtype=torch.uint8)
    for begin in range(0, count, 2):
        n = min(2, count - begin)
        yield orange.expand(n, height, width, 3), changed.expand(n, -1, -1)


def kept_levels(
    path: Path, result: Path, formats: tuple[str, str], size: tuple[int, int], count: int
) -> tuple[int, float]:
    """Largest difference of stored levels outside of the edit, and the PSNR of their luma in dB."""
    (height, width), pix_fmt = size, formats[1]
    deep = 2 if re.search(r"1[0246]le", pix_fmt) else 1
    one, other = (
        np.frombuffer(decoded(name, kind), f"<u{deep}") for name, kind in zip((path, result), formats, strict=True)
    )
    if pix_fmt == "rgb24":
        shapes = [(height, width * 3)]
    else:
        rows, columns = 2 if "420" in pix_fmt else 1, 2 if "42" in pix_fmt else 1
        chroma = (-(-height // rows), -(-width // columns))
        shapes = [(height, width), chroma, chroma, *([(height, width)] if "yuva" in pix_fmt else [])]
    one, other = (data.reshape(count, -1) for data in (one, other))
    worst, place, psnr = 0, 0, float("inf")
    for index, (rows, columns) in enumerate(shapes):
        planes = [
            data[:, place : place + rows * columns].reshape(count, rows, columns).astype(int) for data in (one, other)
        ]
        kept = np.ones((rows, columns), bool)
        kept[rows // 2 - 1 : rows * 3 // 4 + 1, columns // 2 - 1 : columns * 3 // 4 + 1] = False
        difference = (planes[0] - planes[1])[:, kept]
        worst = max(worst, int(np.abs(difference).max()))
        if index == 0:
            top, mean = (1 << (10 if deep == 2 else 8)) - 1, float((difference**2).mean())
            psnr = 10 * np.log10(top * top / mean) if mean else float("inf")
        place += rows * columns
    return worst, psnr


def sound_error(path: Path, result: Path) -> str:
    """Length in and out, and the largest difference of the samples, the first and last 50 ms aside."""
    command = ["-vn", "-f", "f32le", "-ac", "2", "-ar", "48000", "-"]
    one, other = (
        np.frombuffer(
            subprocess.run([*WITNESS, "-i", str(name), *command], check=True, capture_output=True).stdout, "f4"
        )
        for name in (path, result)
    )
    n, most = min(len(one), len(other)), 2880
    part = other[2 * most : n - 2 * most]
    # FFmpeg's program leaves out where in the file a sound begins; it is found again by comparing.
    lag = max(range(-most, most, 2), key=lambda lag: float(np.dot(part, one[2 * most + lag : n - 2 * most + lag])))
    worst = float(np.abs(part - one[2 * most + lag : n - 2 * most + lag]).max())
    return f"{len(one) / 96000:.2f} s → {len(other) / 96000:.2f} s, {lag / 96:.1f} ms, {worst:.3f}"


def row_of(kind: Kind, folder: Path, look: Callable[[list[Path], Kind], list[np.ndarray | None]]) -> list[str]:
    """What became of one kind."""
    path = make(kind, folder)
    try:
        source = open_footage(path, fps=25.0 if path.is_dir() else None)
        size = source.height, source.width
    except InputError as error:
        said = kind.refused and kind.refused in str(error) and "ffmpeg -i" in str(error)
        return [kind.name, *["—"] * 8, "refused, with the command that helps" if said else f"NOT EXPLAINED: {error}"]
    wrong = [f"taken, and should be refused: {kind.refused}"] if kind.refused else []
    lossy, exact = folder / f"{path.stem}-edit.mp4", folder / f"{path.stem}-edit.mkv"
    write_edited(lossy, source, edit_of(source.count, size))
    write_edited(exact, source, edit_of(source.count, size), lossless=True)
    before, after = probe(path), probe(lossy)
    turned = "rotation" in str(before.get("side_data_list", ""))
    stated = (before["height"], before["width"])[:: -1 if turned else 1]
    frames = int(before["nb_read_frames"]), int(after["nb_read_frames"]), int(probe(exact)["nb_read_frames"])
    wrong += ["frames"] if len(set(frames)) > 1 else []
    rates = [float(Fraction(found["avg_frame_rate"])) for found in (before, after)]
    wrong += ["rate"] if abs(rates[0] / rates[1] - 1) > 1e-3 and frames[0] > 1 else []
    shapes = [found.get("sample_aspect_ratio", "1:1").replace("N/A", "1:1") for found in (before, after)]
    wrong += ["size"] if stated != (after["height"], after["width"]) or shapes[0] != shapes[1] else []
    patch = patch_of(path, kind, size)
    told = patch_of(lossy, Kind(name="", file="", turned=kind.turned), size)
    colour = float(np.abs(patch - told).max())
    seen = look([path, lossy], kind)
    shown = "—"
    if seen[1] is not None:
        # Where Chromium does not play the source, what FFmpeg reads in it is what there is to compare with.
        basis = patch if seen[0] is None else seen[0]
        shown = f"{float(np.abs(basis - seen[1]).max()):.1f}{'' if seen[0] is not None else ' *'}"
        wrong += ["colour in Chromium"] if float(np.abs(basis - seen[1]).max()) > 2 else []
    wrong += ["colour"] if colour > 2 else []
    # Levels as they are stored: FFmpeg's program converts where another format than that of the file is asked for.
    exactly = probe(exact)["pix_fmt"]
    own = (
        (exactly if path.suffix == ".webm" else before["pix_fmt"]),
        exactly,
    )  # ffprobe's decoder of VP9 drops the alpha
    levels, _ = kept_levels(path, exact, own if own[0].startswith("yuv") else ("rgb24", "rgb24"), size, frames[0])
    same = (own[0] if own[0].startswith("yuvj") else after["pix_fmt"], after["pix_fmt"])
    _, psnr = kept_levels(path, lossy, same, size, frames[0])
    wrong += ["kept levels"] if levels else []
    sound = "none" if not before["sound"] else sound_error(path, lossy) if after["sound"] else "LOST"
    wrong += ["sound"] if sound == "LOST" else []
    return [
        kind.name,
        f"{frames[0]} → {frames[1]}",
        f"{rates[0]:.3f} → {rates[1]:.3f}" if frames[0] > 1 else "—",
        f"{stated[1]} x {stated[0]}" + (f", pixels {shapes[1]}" if shapes[1] != "1:1" else ""),
        f"{colour:.1f}",
        shown,
        str(levels),
        f"{psnr:.1f} dB",
        sound,
        "NOT EXPLAINED: " + ", ".join(wrong) if wrong else "as it came",
    ]


def in_chromium(python: str | None) -> Callable[[list[Path], Kind], list[np.ndarray | None]]:
    """Reads the patch out of a canvas in headless Chromium; nothing where there is none."""
    if python is None:
        return lambda paths, kind: [None] * len(paths)
    helper = Path(__file__).with_name("footage_browser.py")
    process = subprocess.Popen([python, str(helper)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def look(paths: list[Path], kind: Kind) -> list[np.ndarray | None]:
        found: list[np.ndarray | None] = []
        for path in paths:
            assert process.stdin
            assert process.stdout
            given = path / "f_0001.png" if path.is_dir() else path
            process.stdin.write(json.dumps({"path": str(given), "turned": kind.turned}) + "\n")
            process.stdin.flush()
            mean = json.loads(process.stdout.readline())
            found.append(None if mean is None else np.array(mean))
        return found

    return look


def memory_rows(
    source_frames: int, size: tuple[int, int], folder: Path, tasks: Sequence[str] = JOBS
) -> list[list[str]]:
    """Peak memory of processes that edit 81 frames of a film, and go on after its end."""
    path = folder / f"{size[0]}-{source_frames}.mp4"
    graph = f"testsrc2=s={size[0]}x{size[1]}:r=25"
    coding = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", str(GROUP)]
    # Of 4K the first pictures are coded, and then repeated as they are stored: coding 1,500 takes long.
    coded = min(GROUP, source_frames) if size[0] > 2000 else source_frames
    first = path if coded == source_frames else folder / f"first-{path.name}"
    subprocess.run([*WITNESS, "-f", "lavfi", "-i", graph, *coding, "-frames:v", str(coded), str(first)], check=True)
    if first != path:
        again = ["-stream_loop", str(source_frames // coded - 1), "-i", str(first), "-c", "copy", str(path)]
        subprocess.run([*WITNESS, *again], check=True)
        first.unlink()
    rows: list[list[str]] = []
    for task in tasks:
        command = [sys.executable, __file__, "--job", task, str(path)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rows.append([
            f"{size[0]} x {size[1]}", f"{source_frames:,}", task, f"{found['written']:,}",
            f"{found['before']:.0f} MiB", f"{found['asked']:.0f} MiB", f"{found['peak']:.0f} MiB",
        ])  # fmt: skip
        print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    path.unlink()
    return rows


def job(task: str, path: Path) -> None:
    """What `memory_rows` measures: a task of the command but for the model, which makes gray, and its result.

    A film of 4K is written as far as the model is shown it, any other whole.
    """
    from vace_core.cli import tasks
    from vace_core.cli.options import EditPart, Wanted
    from vace_core.cli.run import write_result

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    before = peak()
    film = open_footage(path)
    part = film.width > 2000
    with tempfile.TemporaryDirectory() as name:
        mask, out = Path(name) / "mask.png", Path(name) / "out.mp4"
        hole = torch.full((1, 3, 1, film.height, film.width), -1.0)
        hole[..., film.height // 4 : film.height // 2, film.width // 4 : film.width // 2] = 1
        write_image(mask, hole)
        begin = (film.count - 81) // 2
        # As much as Wan is shown at 480p, though planned for the small model that is at hand.
        size = {"width": 832 if part else film.width // 16 * 16, "height": 480 if part else film.height // 16 * 16}
        if task == "inpaint":
            wanted = Wanted(**size, length=81)
            request = tasks.inpaint(path, mask=mask, part=EditPart(start=f"{begin}f"), wanted=wanted)
            assert isinstance(request.edit, Edit)
            request = replace(request, edit=replace(request.edit, cuts=part))
        else:
            request = tasks.extend(path, keep=41, only=part, wanted=Wanted(**size, length=81))
        asked = peak()
        vcu = request.vcu
        made = torch.zeros(1, 3, vcu.shown_frames, vcu.height, vcu.width)
        write_result(out, made, request, lossless=False)
        written = open_footage(out).count
    print(json.dumps({"before": before, "asked": asked, "peak": peak(), "written": written}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browser", help="a Python that has playwright")
    parser.add_argument("--memory", action="store_true", help="the memory of long films, and not the kinds")
    parser.add_argument("--only", help="kinds whose name holds this; films such as 320-6000")
    parser.add_argument("--tasks", nargs="+", choices=JOBS, default=JOBS, help="of which memory is measured")
    parser.add_argument("--job", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.job:
        job(options.job[0], Path(options.job[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.memory:
            head = ["size", "frames of the source", "task", "written", "before", "with its clip", "peak"]
            films = [(frames, (320, 180)) for frames in (81, 641, 6000)]
            films += [(frames, (3840, 2160)) for frames in (161, 1500)]
            chosen = [film for film in films if not options.only or options.only in f"{film[1][0]}-{film[0]}"]
            rows = [row for film in chosen for row in memory_rows(*film, folder, options.tasks)]
            show("Memory of an edit of 81 frames, and of 40 after the end", head, rows)
            if not options.only:
                table = [dict(zip(head, row, strict=True)) for row in rows]
                (RESULTS / "footage_memory.json").write_text(json.dumps(table, indent=1) + "\n")
            return
        look = in_chromium(options.browser)
        kinds = [kind for kind in KINDS if not options.only or options.only in kind.name]
        head = ["footage", "frames", "fps", "size", "colour, FFmpeg", "colour, Chromium", "kept levels, lossless"]
        head += ["kept luma, default", "sound: length, shift, difference", "found"]
        rows = []
        for kind in kinds:
            rows.append(row_of(kind, folder, look))
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
        show("Footage, edited and written again", head, rows)
        bad = sum("NOT EXPLAINED" in row[-1] for row in rows)
        print(f"\n{len(rows)} kinds, {bad} unexplained differences")
        if not options.only:
            table = [dict(zip(head, row, strict=True)) for row in rows]
            (RESULTS / "footage.json").write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
