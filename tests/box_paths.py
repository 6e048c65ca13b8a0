"""Box paths for the tests of layouts and of their JSON."""

from __future__ import annotations

from hypothesis import strategies as st

from vace_core.inputs.layout import BoxKey, BoxPath

places = st.floats(-10, 10, allow_nan=False)
sizes = st.floats(0.0001, 10)


@st.composite
def box_paths(draw) -> BoxPath:
    times = sorted(draw(st.sets(st.integers(0, 100), min_size=1, max_size=6)))
    keys = [
        BoxKey(time=time / 100, x=draw(places), y=draw(places), width=draw(sizes), height=draw(sizes)) for time in times
    ]
    colour = draw(st.tuples(*[st.integers(0, 255)] * 3))
    order, label = draw(st.integers(-9, 9)), draw(st.text(max_size=9))
    smooth = draw(st.sampled_from((False, True, "auto")))
    return BoxPath(keys=tuple(keys), order=order, label=label, colour=colour, smooth=smooth)


def key(time: float, x: float = 0.5, y: float = 0.5, width: float = 0.5, height: float = 0.5) -> BoxKey:
    return BoxKey(time=time, x=x, y=y, width=width, height=height)
