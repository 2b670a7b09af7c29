"""Settings of a vehicle under a connection device and over a pad that no session could be held with: they are
refused by their key.

Each stands beside the nearest value that is taken.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.evcc.acdp_settings import AcdpEvccSettings
from iso15118.evcc.wpt_settings import WptEvccSettings
from iso15118.session.wireless import AlignmentMethod, PairingMethod, PositioningMethod

METHODS: dict[str, Any] = {
    "positioning_methods": PositioningMethod,
    "pairing_methods": PairingMethod,
    "alignment_methods": AlignmentMethod,
}


@pytest.mark.parametrize(
    ("every_s", "silence_s", "right"), [(1.0, 1.001, True), (5.0, 5.0, False), (9.0, 5.0, False)]
)
def test_silence_no_longer_than_the_pause_between_questions_is_refused(
    every_s: float, silence_s: float, right: bool
) -> None:
    """It would end every session with its second question."""
    settings: dict[str, Any] = {"status_every_s": every_s, "status_silence_s": silence_s}
    if right:
        assert AcdpEvccSettings(**settings).status_silence_s == silence_s
        return
    with pytest.raises(ConfigError, match=r"acdp\.status_silence_s.*would end every session"):
        AcdpEvccSettings(**settings)


@pytest.mark.parametrize("name", METHODS)
def test_of_every_kind_of_method_there_is_one_and_none_twice(name: str) -> None:
    first = next(iter(METHODS[name]))
    settings: dict[str, Any] = {name: (first,)}
    assert getattr(WptEvccSettings(**settings), name) == (first,)
    for wrong in ((), (first, first)):
        settings = {name: wrong}
        with pytest.raises(ConfigError, match=rf"wpt\.{name}"):
            WptEvccSettings(**settings)
