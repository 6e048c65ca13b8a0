"""VACE: video creation and editing with one model, as a library.

`open_model` is the door: a model that reads clips, generates, and of which the result is put back onto the original.

The other names are in the order of the data flow: inputs become a Video Condition Unit (`tasks`, `compose`), which a
model (`VaceModel`) encodes, samples and decodes (`generate`), putting back every pixel that was to be kept.

The parts: `inputs` prepares masks, references, controls and layouts, and fits clips to a model; `media`
reads and writes them; `tasks` builds VCUs; `preview` shows a VCU before anything is run; `context`, `adapter` and
`models` are the method itself; `sampling` removes the noise; `pipeline` runs all of it and puts kept pixels back;
`loading` reads checkpoints.
"""

from __future__ import annotations

from . import tasks
from .context import encode_context
from .errors import VaceError
from .loading.load import load_adapter, load_base, load_vae
from .loading.opened import OpenClip, OpenModel
from .pipeline import Expert, SamplingOptions, VaceModel, generate
from .pipeline.composite import composite
from .preview.sheet import contact_sheet
from .starter.opened import open_model
from .tasks import anything
from .vcu import VideoConditionUnit, compose

__version__ = "0.1.0"

__all__ = [
    "Expert",
    "OpenClip",
    "OpenModel",
    "SamplingOptions",
    "VaceError",
    "VaceModel",
    "VideoConditionUnit",
    "anything",
    "compose",
    "composite",
    "contact_sheet",
    "encode_context",
    "generate",
    "load_adapter",
    "load_base",
    "load_vae",
    "open_model",
    "tasks",
]
