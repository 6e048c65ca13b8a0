"""A scene in words, in many wordings; and what words mean the same.

Captions are written with synonyms and filling words, and read without them (`meaning`): only the words of
`WORDS` reach the model, so a prompt may use any of the others.
"""

from __future__ import annotations

import random
import re

from .backdrops import BACKDROPS
from .palette import COLOURS, EYES, HAIRS, TINTS
from .paths import CAMERAS, MOTIONS, PERSON_MOTIONS
from .people import MOUTHS
from .scene import Scene, SceneObject
from .shapes import PATTERNS, SHAPES
from .styles import PALETTES, TEXTURES

# Nothing that is drawn is called so. Its number stays: the weights know the words behind it by theirs.
_UNTAUGHT = "photographed"

_SAID = (*MOTIONS, *PERSON_MOTIONS, *CAMERAS, "nods")

VOCABULARY: tuple[str, ...] = tuple(
    dict.fromkeys(
        [
            *("and", "with", "in", "on", "front", "behind", "thing", "empty", "background", "camera", "style"),
            *COLOURS,
            *TINTS,
            *HAIRS,
            *EYES,
            *PATTERNS[1:],
            *SHAPES,
            *("person", "shirt", "trousers", "face", "hair", "eyes", "glasses"),
            *MOUTHS,
            *(word for phrase in _SAID for word in phrase.split()),
            *BACKDROPS,
            _UNTAUGHT,
            *PALETTES,
            *TEXTURES,
        ]
    )
)
"""Every word that has a number, in an order that never changes: a word's place is its number."""

WORDS: tuple[str, ...] = tuple(word for word in VOCABULARY if word != _UNTAUGHT)
"""Every word that the model tells from others."""


def _words(several: str) -> list[str]:
    return several.split()


SYNONYMS: dict[str, str] = {
    word: meant
    for meant, words in {
        "red": "crimson scarlet ruby",
        "yellow": "golden gold lemon",
        "green": "emerald lime",
        "cyan": "turquoise teal aqua",
        "blue": "navy azure",
        "purple": "violet magenta",
        "pink": "rose rosy",
        "orange": "amber",
        "gray": "grey silver",
        "beige": "cream sandy",
        "circle": "disc disk ball dot",
        "square": "box block",
        "triangle": "pyramid",
        "ring": "donut doughnut hoop",
        "cross": "plus",
        "moon": "crescent",
        "striped": "stripy lined",
        "dotted": "spotted dotty",
        "checkered": "checked chequered",
        "person": "figure man woman somebody someone walker",
        "face": "head portrait",
        "trousers": "pants jeans",
        "shirt": "sweater jacket top",
        "smiling": "happy laughing smiles",
        "sad": "unhappy frowning",
        "surprised": "astonished amazed",
        "glasses": "spectacles",
        "moves": "goes slides drifts glides travels moving going sliding drifting gliding travelling",
        "walks": "strolls marches walking strolling",
        "waves": "greets waving",
        "jumps": "hops leaps jumping",
        "stays": "stands rests staying standing",
        "still": "motionless",
        "grows": "swells bigger larger growing",
        "shrinks": "smaller shrinking",
        "wanders": "roams strays wandering",
        "spins": "turns rotates spinning",
        "bounces": "bouncing",
        "nods": "nodding",
        "up": "upwards upward",
        "down": "downwards downward",
        "right": "rightwards rightward",
        "left": "leftwards leftward",
        "background": "backdrop wall scene",
        "camera": "view",
        "pans": "panning",
        "zooms": "zooming",
        "blurry": "blurred",
        "cloudy": "misty foggy",
        "thing": "object something",
        "empty": "bare",
        "style": "look",
    }.items()
    for word in _words(words)
}
"""Words that are read as another."""

FILLERS: frozenset[str] = frozenset(
    _words(
        "a an the is are that which who there this it its of to at from by while very slowly quickly gets becomes "
        "video clip picture shows see we can film movie short little big large small nice simple toward towards "
        "wearing has having as also"
    )
)
"""Words that are known and say nothing."""

JOINING = frozenset(_words("and on with in behind front"))
"""Words that are read, and say something only beside others."""

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def meaning(prompt: str) -> tuple[list[list[str]], list[str]]:
    """What a prompt says in words of `WORDS`, clause by clause, and the words it has that nobody knows.

    A clause begins where an article or a known noun after a known noun begins something new: "a red star | a blue
    ring". Words in any script are words; those that are not known are returned, never dropped unsaid.
    """
    clauses: list[list[str]] = [[]]
    unknown: list[str] = []
    for word in _WORD.findall(prompt.lower()):
        meant = SYNONYMS.get(word, word)
        if meant in _KNOWN:
            clauses[-1].append(meant)
        elif word in ("a", "an", "the") and clauses[-1]:
            # "and" or "on" belongs to what it introduces.
            led = [clauses[-1].pop()] if clauses[-1][-1] in JOINING else []
            clauses.append(led)
        elif word not in FILLERS:
            unknown.append(word)
    return [clause for clause in clauses if clause], unknown


_KNOWN = frozenset(WORDS)
_BY_MEANING: dict[str, list[str]] = {}
for _word, _meant in SYNONYMS.items():
    if _word in ("something", "somebody", "someone"):
        continue  # no article goes before these
    _BY_MEANING.setdefault(_meant, []).append(_word)

_PHRASES: dict[str, tuple[str, ...]] = {
    "stays still": ("stays still", "stands still", "is motionless", "rests"),
    "grows": ("grows", "gets bigger", "becomes larger", "swells"),
    "shrinks": ("shrinks", "gets smaller", "becomes smaller"),
}


def caption(scene: Scene, *, things: bool = False, plain: bool = False) -> str:
    """The scene in one of many wordings, the same one for the same scene.

    Args:
        scene: What is described.
        things: Whether every object is "a thing", for training with references.
        plain: Whether the first wording is taken, without synonyms.
    """
    rng = random.Random(f"caption {scene.wording}")
    names = ["a thing" if things else item.words for item in scene.objects]
    place = f"a {scene.backdrop.words} background"
    if not scene.objects:
        text = f"an empty {scene.backdrop.words} background"
    elif plain:
        text = f"{_acts(scene, names)} on {place}"
    else:
        text = _worded(scene, names, place, rng)
    if scene.camera != "still":
        text += rng.choice((", the camera {}", " while the camera {}", " and the camera {}")).format(scene.camera)
    return _with_articles(text.split()) if plain else _varied(text, rng)


def _acts(scene: Scene, names: list[str]) -> str:
    return " and ".join(f"{name} {item.motion}" for name, item in zip(names, scene.objects, strict=True))


def _worded(scene: Scene, names: list[str], place: str, rng: random.Random) -> str:
    clauses = [f"{name} {_motion(item, rng)}" for name, item in zip(names, scene.objects, strict=True)]
    if len(clauses) == 2 and rng.random() < 0.3:
        nearer = scene.objects[0].depth > scene.objects[1].depth
        acts = f" {'in front of' if nearer else 'behind'} ".join(clauses)
    else:
        acts = " and ".join(clauses) if len(clauses) < 3 else ", ".join(clauses[:-1]) + " and " + clauses[-1]
    wording = rng.choice(
        ("{acts} on {place}",) * 3 + ("on {place} {acts}", "{place} with {acts}", "video of {acts} on {place}")
    )
    return wording.format(acts=acts, place=place)


def _motion(item: SceneObject, rng: random.Random) -> str:
    if item.motion == "stays still" and rng.random() < 0.35:
        return ""
    return rng.choice(_PHRASES.get(item.motion, (item.motion,)))


def _varied(text: str, rng: random.Random) -> str:
    """Some words by others that mean the same, and here and there one that nobody knows."""
    words: list[str] = []
    for word in text.split():
        bare = word.strip(",")
        if bare in _BY_MEANING and rng.random() < 0.25:
            word = word.replace(bare, rng.choice(_BY_MEANING[bare]))
        words.append(word)
    return _with_articles(words)


def _with_articles(words: list[str]) -> str:
    """The words with "a" or "an" by the sound of what follows."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    return " ".join(("an" if after[:1] in "aeiou" else "a") if word in ("a", "an") else word for word, after in pairs)
