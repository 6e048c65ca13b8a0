"""All profiles by name, the starter's among them."""

from __future__ import annotations

from ..errors import InputError, shortened
from ..loading.profiles import PUBLISHED, Profile
from .model import STARTER

PROFILES: dict[str, Profile] = {profile.name: profile for profile in (STARTER, *PUBLISHED)}


def profile_named(name: str) -> Profile:
    """The profile of this name.

    Raises:
        InputError: there is none.
    """
    if name not in PROFILES:
        raise InputError(
            "profile-unknown",
            'The profile is "{name}". One of {known} is needed. Choose one of these.',
            name=shortened(name),
            known=", ".join(PROFILES),
        )
    return PROFILES[name]
