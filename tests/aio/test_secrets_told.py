"""TLS secrets for whoever looks at the traffic: in a file of the owner's, or as datagrams; nothing of it
keeps a session from going on, and nothing is sent where it cannot be."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.net import disclosure as module
from iso15118.aio.net.disclosure import SecretDisclosure
from iso15118.aio.net.keylog import KeyLogFile
from iso15118.errors import ConfigError

LINE = "CLIENT_TRAFFIC_SECRET_0 00 11"


class Datagrams:
    """A socket that notes what is done to it; what fails is given by its name."""

    def __init__(self, family: int) -> None:
        self.family = family
        self.options: list[Any] = []
        self.binds: list[Any] = []
        self.to: Any = None
        self.sent: list[bytes] = []
        self.closed = 0
        self.blocking = True
        self.taken = 0
        self.fails: dict[str, OSError] = {}

    def _may(self, what: str) -> None:
        if what in self.fails:
            raise self.fails[what]

    def bind(self, address: Any) -> None:
        self.binds.append(address)
        if len(self.binds) <= self.taken:
            raise OSError(errno.EADDRINUSE, "taken")

    def setsockopt(self, *option: int) -> None:
        self.options.append(option)

    def setblocking(self, blocking: bool) -> None:
        self.blocking = blocking

    def connect(self, address: Any) -> None:
        self._may("connect")
        self.to = address

    def send(self, data: bytes) -> None:
        self._may("send")
        self.sent.append(data)

    def close(self) -> None:
        self.closed += 1


class Net:
    def __init__(self) -> None:
        self.made: list[Datagrams] = []
        self.taken = 0
        self.fails: dict[str, OSError] = {}

    def socket(self, family: int, kind: int) -> Datagrams:
        assert kind == socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        made = Datagrams(family)
        made.taken, made.fails = self.taken, self.fails
        self.made.append(made)
        return made


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Net:
    played = Net()
    names = {name: getattr(socket, name) for name in dir(socket) if name.isupper() or name == "getaddrinfo"}
    monkeypatch.setattr(module, "socket", SimpleNamespace(**names | {"socket": played.socket}))
    return played


@pytest.mark.parametrize("end", [min, max])
def test_it_is_sent_from_a_port_of_those_that_the_plugins_look_at(
    end: Any, net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "random", SimpleNamespace(randint=lambda *ends: end(ends)))
    with_it = SecretDisclosure("127.0.0.1:50000")
    with_it(LINE)
    ((_, port),) = net.made[0].binds
    assert port == (49152 if end is min else 65535)


@pytest.mark.parametrize(
    ("target", "to"),
    [
        ("127.0.0.1:50000", ("127.0.0.1", 50000)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("127.0.0.1:65535", ("127.0.0.1", 65535)),
        ("[::1]:50000", ("::1", 50000, 0, 0)),
    ],
)
def test_lines_go_to_the_target_from_a_port_that_the_plugins_look_at(net: Net, target: str, to: Any) -> None:
    with SecretDisclosure(target) as disclosure:
        disclosure(LINE)
        (made,) = net.made
        assert (made.to, made.sent, made.blocking) == (to, [LINE.encode()], False)
        ((address, port),) = made.binds
        assert address == ("::" if made.family == socket.AF_INET6 else "")
        assert 49152 <= port <= 65535
        assert made.options == []
    assert made.closed == 1
    disclosure(LINE)
    disclosure.close()
    assert (made.sent, made.closed) == ([LINE.encode()], 1)


@pytest.mark.parametrize(
    ("target", "option"),
    [
        ("[ff02::1]:50000", (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)),
        ("224.0.0.1:50000", (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)),
    ],
)
def test_what_goes_to_a_group_stays_on_the_link(net: Net, target: str, option: Any) -> None:
    with SecretDisclosure(target):
        assert net.made[0].options == [option]


@pytest.mark.parametrize(
    "target",
    [
        "",
        "host",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:99999",
        "127.0.0.1:",
        "127.0.0.1:123456",
        "::1:5",
        "[::1]",
        ":5",
    ],
)
def test_what_is_no_host_and_port_is_refused(net: Net, target: str) -> None:
    with pytest.raises(ConfigError, match=r"keylog-udp: .* is no host and port \(192\.0\.2\.7:50000, or"):
        SecretDisclosure(target)
    assert net.made == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "not known"), "host: not known"),
        (UnicodeError("odd"), "host: odd"),
        (OSError("odd"), "host: odd"),
    ],
)
def test_a_name_that_nobody_knows_is_said(
    net: Net, error: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*how: Any, **more: Any) -> Any:
        raise error

    monkeypatch.setattr("iso15118.aio.net.disclosure.socket.getaddrinfo", fails)
    with pytest.raises(ConfigError, match=words):
        SecretDisclosure("host:5")


def test_a_source_port_that_is_taken_is_another_one_and_not_for_ever(net: Net) -> None:
    net.taken = 63
    SecretDisclosure("127.0.0.1:5").close()
    assert len(net.made[0].binds) == 64
    net.taken = 64
    with pytest.raises(ConfigError, match="nothing can be sent to 127"):
        SecretDisclosure("127.0.0.1:5")
    assert len(net.made[1].binds) == 64
    assert net.made[1].closed == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [(OSError(errno.ENETUNREACH, "x"), os.strerror(errno.ENETUNREACH)), (OSError("odd"), os.strerror(0))],
)
def test_a_target_that_is_not_reached_is_said(net: Net, error: OSError, words: str) -> None:
    net.fails = {"connect": error}
    with pytest.raises(ConfigError, match=words):
        SecretDisclosure("127.0.0.1:5")
    assert net.made[0].closed == 1


def test_what_is_lost_on_the_way_ends_nothing_and_an_error_is_said_once(
    net: Net, caplog: pytest.LogCaptureFixture
) -> None:
    disclosure = SecretDisclosure("127.0.0.1:5")
    made = net.made[0]
    for lost in (BlockingIOError(), ConnectionRefusedError()):
        made.fails["send"] = lost
        disclosure(LINE)
    made.fails.clear()
    disclosure(LINE)
    assert made.sent == [LINE.encode()]
    for error in (OSError(errno.ENETDOWN, "x"), OSError("odd")):
        made.fails["send"] = error
        disclosure(LINE)
        disclosure(LINE)
        disclosure = SecretDisclosure("127.0.0.1:5")
        made = net.made[-1]
    assert flush(60.0)
    for words in (os.strerror(errno.ENETDOWN), os.strerror(0)):
        assert caplog.text.count(f"no more TLS secrets are sent to 127.0.0.1:5: {words}") == 1
    assert [one.closed for one in net.made[:2]] == [1, 1]


# -- in a file


def test_a_file_is_the_owners_alone_and_is_added_to(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("before\n")
    path.chmod(0o644)
    for _ in range(2):
        with KeyLogFile(path) as log:
            log(LINE)
        log(LINE)
        log.close()
    assert path.read_text() == f"before\n{LINE}\n{LINE}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_file_is_never_open_to_others_not_even_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fchmod", lambda file, mode: None)
    before = os.umask(0)
    try:
        KeyLogFile(tmp_path / "keys").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["folder", "link", "pipe", "missing"])
def test_what_is_no_ordinary_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "keys"
    match kind:
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(tmp_path / "target")
        case "pipe":
            os.mkfifo(path)
        case _:
            path = tmp_path / "none" / "keys"
    with pytest.raises(ConfigError, match="keylog: "):
        KeyLogFile(path)
    assert not (tmp_path / "target").exists()


def test_a_full_disk_ends_the_log_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [OSError(errno.ENOSPC, "x"), OSError("odd")]

    def full(file: int, data: bytes) -> int:
        raise errors.pop(0)

    while errors:
        log = KeyLogFile(tmp_path / "keys")
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            log(LINE)
        log(LINE)
    assert flush(60.0)
    for words in (os.strerror(errno.ENOSPC), os.strerror(0)):
        assert caplog.text.count(f"no more TLS secrets are written: {words}") == 1
    assert (tmp_path / "keys").read_text() == ""
