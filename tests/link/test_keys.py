"""Keys and network identifiers against published values."""

from __future__ import annotations

from iso15118.link.slac.keys import draw_network, is_valid_nid, nid_from_nmk, nmk_from_password


def test_key_of_a_published_password() -> None:
    nmk = nmk_from_password("HomePlugAV0123")
    assert bytes(nmk).hex() == "b59319d7e8157ba001b018669ccee30d"
    # The network that home-plug adapters form out of the box.
    assert nid_from_nmk(nmk).hex() == "026bcba5354e08"


def test_the_security_level_is_in_the_top_of_the_last_byte() -> None:
    nmk = bytes(range(16))
    simple, secure = nid_from_nmk(nmk), nid_from_nmk(nmk, 1)
    assert simple[:6] == secure[:6]
    assert simple[6] >> 4 == 0
    assert secure[6] == simple[6] | 0x10


def test_drawn_networks_are_fresh_and_valid() -> None:
    asked: list[int] = []

    def draw(count: int) -> bytes:
        asked.append(count)
        return bytes([len(asked)] * count)

    one, other = draw_network(draw), draw_network(draw)
    assert asked == [16, 16]
    assert one != other
    assert one.nid == nid_from_nmk(one.nmk)
    assert is_valid_nid(one.nid)


def test_a_nid_with_its_top_bits_set_is_none() -> None:
    assert not is_valid_nid(b"\0\0\0\0\0\0\x40")
    assert not is_valid_nid(b"\0\0\0\0\0\0")
