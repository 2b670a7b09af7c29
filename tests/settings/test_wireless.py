"""The table [wireless] of both files: what it says of discovery, and what does not go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from iso15118.errors import ConfigError
from iso15118.sdp.wireless import Coupling, PairingAids, WirelessSdpRequest
from iso15118.settings.roles import load_evcc, load_secc
from iso15118.settings.wireless import place_of, search_of

PLAIN = '[tls]\nmode = "plaintext"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "file.toml"
    path.write_text(text + PLAIN)
    return path


def test_what_a_station_says_of_itself(tmp_path: Path) -> None:
    path = written(tmp_path, '[session]\nevse_id = "DE*ICE*E7"\n[wireless]\ncoupling = "pantograph-1"\n')
    place = place_of(load_secc(path).wireless)
    assert place is not None
    assert place.coupling is Coupling.PANTOGRAPH_1
    assert place.knows("BUS1") is False, "nobody looks which vehicle it is"


def test_what_a_vehicle_asks(tmp_path: Path) -> None:
    table = (
        '[wireless]\ncoupling = "wpt"\naids = ["lf-ev", "camera-ev"]\nevid = "BUS1"\nevseid = "DE*ICE*E7"\n'
    )
    assert search_of(load_evcc(written(tmp_path, table)).wireless) == WirelessSdpRequest(
        coupling=Coupling.WPT,
        aids=PairingAids.LF_EV | PairingAids.CAMERA_EV,
        evid="BUS1",
        evseid="DE*ICE*E7",
    )


def test_without_the_table_discovery_is_that_of_a_cable(tmp_path: Path) -> None:
    assert place_of(load_secc(written(tmp_path, "")).wireless) is None
    assert search_of(load_evcc(written(tmp_path, "")).wireless) is None


@pytest.mark.parametrize(
    ("role", "text", "key"),
    [
        ("secc", '[wireless]\ncoupling = "wpt-1"\n', "wireless.coupling"),
        ("evcc", '[wireless]\ncoupling = "wpt"\naids = ["lf-ev", "lf-ev"]\n', "wireless.aids[1]"),
        ("evcc", '[wireless]\nevid = "123456789012345678901"\n', "wireless.evid"),
        ("evcc", '[wireless]\nevseid = "DE*Ü"\n', "wireless.evseid"),
        (
            "secc",
            f'[session]\nevse_id = "{"D" * 38}"\n[wireless]\ncoupling = "wpt"\n',
            "session.evse_id",
        ),
        *(
            (
                role,
                '[link]\nbackend = "slac"\nsignalling = "simulated"\n[wireless]\ncoupling = "wpt"\n',
                "wireless.coupling",
            )
            for role in ("secc", "evcc")
        ),
    ],
)
def test_what_cannot_work_is_refused_by_name(tmp_path: Path, role: str, text: str, key: str) -> None:
    load = load_secc if role == "secc" else load_evcc
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))
    assert [one.key for one in caught.value.each] == [key]
