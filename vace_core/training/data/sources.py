"""Which files belong to a clip: in a folder of clips, and in the CSV that DiffSynth-Studio trains from."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError, shortened
from ...files.replacing import is_within, reason
from ...media.pictures import PICTURES
from ...media.sources import VIDEOS

CLIPS = (*VIDEOS, *PICTURES)
BESIDE = (".txt", ".json", ".csv")  # what may lie beside clips and is no clip
# What may stand between the name of a clip and the ending: fox.mask-2.png. Numbers tell several of a kind apart.
PART = re.compile(r"(?P<clip>.+)\.(?P<kind>mask|reference|depth|pose|control)(-(?P<number>\d+))?", re.IGNORECASE)
COLUMNS = ("video", "prompt")
OPTIONAL = ("vace_video", "vace_video_mask", "vace_reference_image")
# fox-0001: a shot or a piece of one, as `vace data` names them in its folder of clips, beside its records.
SHOT = re.compile(r"(?P<film>.+)-\d{4,}")
CLIPS_OF_DATA, RECORDS_OF_DATA = "clips", Path("records", "shots")
LEAST_FILMS = 10
MAX_TEXT = 100_000_000  # bytes of captions or a table
MOST_NAMES = 5  # of files that are left aside


@dataclass(frozen=True, kw_only=True)
class ClipFiles:
    """The files of one clip.

    Attributes:
        name: What messages call it.
        video: The clip; a picture is a clip of one frame.
        prompts: What it shows, in one wording or several.
        masks: One for each object: videos, or pictures that count for the whole clip; white = object.
        references: Pictures of what is in the clip.
        own_references: For each mask the one of these that shows its object; None = there is none. Empty = it is not
            known.
        controls: Signals to follow, made elsewhere, by kind: "depth", "pose", "control".
        masked: Whether the masks say where "control" is followed, and around them its frames are kept, as in a table.
    """

    name: str
    video: Path
    prompts: tuple[str, ...]
    masks: tuple[Path, ...] = ()
    references: tuple[Path, ...] = ()
    own_references: tuple[Path | None, ...] = ()
    controls: Mapping[str, Path] = field(default_factory=dict[str, Path])
    masked: bool = False


def clips_in(path: Path) -> tuple[list[ClipFiles], list[str]]:
    """The clips of a folder or of a CSV file, and what is wrong with those that are left out.

    A folder holds clips, and beside each fox.mp4 what belongs to it: fox.txt (its prompt; every line is a wording),
    fox.mask.mp4 or fox.mask-1.png and so on (objects), fox.reference-1.png and so on, fox.depth.mp4, fox.pose.mp4,
    fox.control.mp4. Folders in it are looked through too.

    Raises:
        InputError: there are none, or the table lacks a column.
    """
    if path.is_dir():
        clips, faults = _in_folder(path)
    elif path.suffix.lower() == ".csv":
        clips, faults = _in_table(path)
    else:
        raise InputError(
            "data-kind",
            "The data is {path}, which is neither a folder nor a .csv file. One of these is needed. Choose one.",
            path=path,
        )
    if not clips:
        raise no_clips(path, faults)
    return clips, faults


def films_of(clips: Sequence[ClipFiles]) -> list[Path]:
    """For each clip what tells its film from others: the same for rows of a table with one video and for shots of one
    film, as `vace data` names them.

    A number after a name is that of a shot where the records of `vace data` are beside the folder of clips. Elsewhere
    it is if there are at least `LEAST_FILMS` names with numbers, for somebody may have numbered all clips.
    """
    videos = [clip.video.resolve() for clip in clips]
    shots = [SHOT.fullmatch(video.stem) for video in videos]
    films = [video.with_name(shot["film"]) if shot else video for video, shot in zip(videos, shots, strict=True)]
    many = len({film for film, shot in zip(films, shots, strict=True) if shot}) >= LEAST_FILMS
    made = {folder: _is_of_data(folder) for folder in {video.parent for video in videos}}
    return [film if many or made[video.parent] else video for film, video in zip(films, videos, strict=True)]


def _is_of_data(folder: Path) -> bool:
    """Whether `vace data` made the clips of a folder and its records are still there."""
    return any(
        one.name == CLIPS_OF_DATA and (one.parent / RECORDS_OF_DATA).is_dir() for one in (folder, *folder.parents)
    )


def no_clips(path: Path, faults: Sequence[str]) -> InputError:
    """What is said where none of the clips can be used."""
    return InputError(
        "data-empty",
        "{path} holds no clip that can be trained on. {faults} Clips with prompts are needed. Add some.",
        path=path,
        faults=" ".join(faults[:3]),
    )


def _in_folder(folder: Path) -> tuple[list[ClipFiles], list[str]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    strange = [file for file in files if file.suffix.lower() not in (*CLIPS, *BESIDE)]
    parts: dict[Path, list[tuple[str, int, Path]]] = {}
    videos: list[Path] = []
    for file in files:
        if file.suffix.lower() not in CLIPS:
            continue
        if match := PART.fullmatch(file.stem):
            place = file.with_name(match["clip"])
            parts.setdefault(place, []).append((match["kind"].lower(), int(match["number"] or 0), file))
        else:
            videos.append(file)
    clips, faults = list[ClipFiles](), list[str]()
    for video in videos:
        try:
            clips.append(_with_parts(folder, video, sorted(parts.get(video.with_suffix(""), []))))
        except InputError as error:
            faults.append(str(error))
    there = {video.with_suffix("") for video in videos}
    faults += [str(_alone(file)) for place, found in parts.items() if place not in there for _, _, file in found]
    return clips, faults + ([str(_strange(folder, strange))] if strange else [])


def named(files: Sequence[Path], folder: Path) -> str:
    """The first of many files of a folder, by their paths in it."""
    names = [shortened(file.relative_to(folder).as_posix()) for file in files[:MOST_NAMES]]
    return ", ".join(names) + (", ..." if len(files) > MOST_NAMES else "")


def _strange(folder: Path, files: Sequence[Path]) -> InputError:
    return InputError(
        "files-left-aside",
        "{count} files in {folder} have endings that are not looked for: {names}. A clip ends in {known}. Convert "
        "those that are clips.",
        count=len(files),
        folder=folder,
        names=named(files, folder),
        known=", ".join(CLIPS),
    )


def _alone(file: Path) -> InputError:
    """What is said of a mask, reference or control beside which its clip is not, as where their names differ."""
    match = PART.fullmatch(file.stem)
    assert match is not None
    return InputError(
        "part-without-clip",
        "{file} belongs to a clip {clip}, which is not beside it. A {kind} needs the name of its clip. Correct its "
        "name, or remove it.",
        file=file,
        clip=match["clip"],
        kind=match["kind"].lower(),
    )


def _with_parts(folder: Path, video: Path, parts: Sequence[tuple[str, int, Path]]) -> ClipFiles:
    caption = video.with_suffix(".txt")
    lines = text_of(caption).splitlines() if caption.is_file() else []
    prompts = tuple(line.strip() for line in lines if line.strip())
    if not prompts:
        raise InputError(
            "prompt-missing",
            "The clip {video} has no prompt. One in {name} beside it is needed. Write it.",
            video=video,
            name=caption.name,
        )
    # A mask without a number is the first one, as is a reference.
    shown = {max(number, 1): file for kind, number, file in parts if kind == "reference"}
    return ClipFiles(
        name=video.relative_to(folder).as_posix(),
        video=video,
        prompts=prompts,
        masks=tuple(file for kind, _, file in parts if kind == "mask"),
        references=tuple(file for kind, _, file in parts if kind == "reference"),
        own_references=tuple(shown.get(max(number, 1)) for kind, number, _ in parts if kind == "mask"),
        controls={kind: file for kind, _, file in parts if kind not in ("mask", "reference")},
    )


def _in_table(path: Path) -> tuple[list[ClipFiles], list[str]]:
    """Source of the columns: modelscope/DiffSynth-Studio, examples/wanvideo/model_training."""
    rows = csv.DictReader(io.StringIO(text_of(path), newline=""), strict=True)
    known = rows.fieldnames or ()
    if lacking := [column for column in COLUMNS if column not in known]:
        raise InputError(
            "column-missing",
            "The table {path} lacks the column {lacking}. The columns {columns} are needed, and {optional} are "
            "read where they are there. Add it.",
            path=path,
            lacking=" and ".join(lacking),
            columns=", ".join(COLUMNS),
            optional=", ".join(OPTIONAL),
        )
    clips, faults = list[ClipFiles](), list[str]()
    try:
        for row in rows:
            told = {key: value or "" for key, value in row.items() if key in known}
            try:
                clips.append(_row(path, rows.line_num, told))
            except InputError as error:
                faults.append(str(error))
    except csv.Error as error:
        raise InputError(
            "table-unreadable",
            "The table {path} cannot be read ({error}, in line {line}). Comma-separated values with a name "
            "above each column are needed. Correct that line.",
            path=path,
            error=error,
            line=rows.line_num,
        ) from error
    return clips, faults


def _row(table: Path, number: int, row: Mapping[str, str]) -> ClipFiles:
    if not row["video"].strip(" ,") or not row["prompt"].strip():
        raise InputError(
            "line-incomplete",
            "Line {number} of {table} names no video or no prompt. Both are needed. Fill them in.",
            number=number,
            table=table,
        )

    def files(column: str, *, several: bool = False) -> tuple[Path, ...]:
        # Several pictures are separated by commas inside the quotes; in the name of a video a comma is a letter.
        said = row.get(column, "")
        names = [name.strip() for name in (said.split(",") if several else [said]) if name.strip()]
        return tuple(_inside(table.parent, name, f"Line {number} of {table}") for name in names)

    (video,), controls = files("video"), files("vace_video")
    masks, references = files("vace_video_mask", several=True), files("vace_reference_image", several=True)
    return ClipFiles(
        name=row["video"].strip(),
        video=video,
        prompts=(row["prompt"].strip(),),
        masks=masks,
        references=references,
        own_references=(*references, *(None for _ in masks))[: len(masks)],
        controls={"control": controls[0]} if controls else {},
        masked=bool(controls and masks),
    )


def _inside(folder: Path, name: str, where: str) -> Path:
    path = folder / name
    if not is_within(path, folder):
        raise InputError(
            "file-outside",
            "{where} names {name}, which is not in the folder of the table. Files beside or below it are "
            "needed. Move it there.",
            where=where,
            name=shortened(name),
        )
    return path


def text_of(path: Path) -> str:
    """A text in UTF-8, or in UTF-16 with its mark."""
    try:
        if path.stat().st_size > MAX_TEXT:
            raise InputError(
                "text-too-long",
                "{path} has more than {limit:,} bytes. A shorter text of prompts is needed. Split it.",
                path=path,
                limit=MAX_TEXT,
            )
        content = path.read_bytes()
        wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        if not wide and b"\0" in content:  # UTF-16 without its mark
            raise UnicodeDecodeError("utf-8", content, content.index(b"\0"), len(content), "a zero")
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "text-encoding",
            "{path} is not UTF-8 text (byte {byte} is no part of one), and which letters are meant cannot be "
            "told. UTF-8 is needed. Save the file as UTF-8.",
            path=path,
            byte=error.start,
        ) from error
    except OSError as error:
        raise InputError(
            "file-unreadable",
            "{path} cannot be read ({error}). A file that can be read is needed. Check it.",
            path=path,
            error=reason(error),
        ) from error
