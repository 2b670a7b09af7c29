"""Options that cannot work are refused with exit status 2, the option, the reason
and the nearest valid name."""

from __future__ import annotations

import pytest

from tests.cli.rig import iso15118


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--service", "msc"), ["--service: 'msc'", "did you mean 'mcs'?"]),
        (("--service", "wpd"), ["--service: 'wpd' is not one of its values", "did you mean 'wpt'?"]),
        (("--edition", "iso2", "--service", "mcs"), ["--service: 'mcs' is a service of ISO 15118-20 alone"]),
        (("--edition", "din", "--auth", "pnc"), ["--auth: DIN 70121 knows no Plug and Charge"]),
        (("--evcc-editions", "iso20,iso3"), ["--evcc-editions: 'iso3'", "did you mean 'iso2'?"]),
        (("--pause", "5000"), ["--pause: 5000.0 minutes are out of range", "1440"]),
        (("--edition", "iso21"), ["--edition: 'iso21' is not one of its values", "iso20"]),
        (("--auth", "pnc", "--no-tls"), ["--auth: there is no Plug and Charge without TLS"]),
        (("--install-contract",), ["--install-contract: auth 'eim' needs no contract"]),
        (("--link", "slack"), ["--link: 'slack'", "did you mean 'slac'?", "none, slac, spe"]),
        (("--link", "slac", "--service", "mcs"), ["--link: there is no SLAC on MCS", "did you mean 'spe'?"]),
        (("--control", "sheduled"), ["--control: 'sheduled'", "did you mean 'scheduled'?"]),
        (("--transport", "udp"), ["--transport: 'udp'", "did you mean 'tcp'?"]),
        (("--station", "mcs-gen3"), ["--station: 'mcs-gen3'", "did you mean 'mcs-gen"]),
        (("--service", "mcs", "--station", "ccs2"), ["--station: 'ccs2' has a CCS connector", "'mcs-gen1'"]),
        (
            ("--service", "dc", "--station", "mcs-max"),
            ["--station: 'mcs-max' has an MCS connector", "'ccs2'"],
        ),
        (("--soc-start", "-1"), ["--soc-start: -1.0 is no state of charge", "0 to 100"]),
        (("--soc-target", "101"), ["--soc-target: 101.0 is no state of charge", "0 to 100"]),
        (("--soc-target", "nan"), ["--soc-target: nan"]),
        (("--soc-start", "80", "--soc-target", "20"), ["--soc-target: 20 is not above soc_start = 80"]),
        (("--soc-start", "half"), ["--soc-start", "number"]),
        (("--battery-kwh", "0"), ["--battery-kwh: 0.0 is out of range", "kWh"]),
        (("--power-kw", "-350"), ["--power-kw: -350.0 is out of range", "1 to 10000 kW"]),
        (("--power-kw", "inf"), ["--power-kw: inf is out of range"]),
        (("--discharge-kwh", "50"), ["--discharge-kwh: service 'dc' only charges", "'dc-bpt'"]),
        (
            ("--service", "mcs", "--discharge-kwh", "50"),
            ["--discharge-kwh: service 'mcs' only charges", "'mcs-bpt'"],
        ),
        (("--service", "dc-bpt", "--discharge-kwh", "500"), ["--discharge-kwh: 500 kWh", "at most 5"]),
        (("--transport", "memory", "--tls"), ["--tls", "no TLS on the memory transport", "tcp"]),
        (("--transport", "memory", "--keylog", "x"), ["--keylog: there is no TLS"]),
        (("--no-tls", "--keylog", "x"), ["--keylog: there is no TLS"]),
        (("--servce", "mcs"), ["--servce", "--service"]),
        (("--seed", "x"), ["--seed", "integer"]),
    ],
)
def test_a_wrong_option_is_named_with_the_reason_and_a_right_one(
    options: tuple[str, ...], said: list[str]
) -> None:
    refusal = iso15118("loopback", *options).refusal
    for words in said:
        assert words in refusal


def test_a_wrong_command_is_answered_with_the_nearest() -> None:
    assert "did you mean 'loopback'?" in iso15118("lopback").refusal


def test_a_wrong_log_level_is_answered_with_the_nearest() -> None:
    assert "did you mean 'info'?" in iso15118("--log-level", "inf", "config", "schema").refusal


def test_no_command_at_all_is_a_usage_error_with_the_help() -> None:
    printed = iso15118()
    assert printed.status == 2
    assert "loopback" in printed.out + printed.err


@pytest.mark.parametrize("command", ["loopback", "secc", "evcc", "config", "exi", "pki"])
def test_every_command_has_help(command: str) -> None:
    printed = iso15118(command, "--help")
    assert (printed.status, printed.err) == (0, "")
    assert command in printed.out


def test_the_version_names_the_distribution() -> None:
    from iso15118 import __version__

    assert iso15118("--version").out == f"iso15118-stack {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("secc", "-c", "a.toml", "-c", "b.toml"), "--config"),
        (("evcc", "-c", "a.toml", "--config", "b.toml"), "--config"),
        (("config", "validate", "--role", "secc", "--role", "evcc", "a.toml"), "--role"),
        (("loopback", "--seed", "1", "--seed", "2"), "--seed"),
        (("exi", "decode", "--schema", "app", "--schema", "din", "80"), "--schema"),
    ],
)
def test_an_option_that_is_given_twice_is_refused_and_not_dropped(
    arguments: tuple[str, ...], option: str
) -> None:
    refusal = iso15118(*arguments).refusal
    assert option in refusal
    assert "2 times" in refusal


def test_two_files_for_one_command_are_refused() -> None:
    assert "a.toml is given too" in iso15118("config", "validate", "a.toml", "-c", "b.toml").refusal
