# mypy: ignore-errors
"""The other side of the SLAC interop runs: the PyPI package ``pyslac`` as a station; run by the
Python of its own environment.

Messages, sequence and timers are the package's, and so is the choice of what to do at which
state of the control pilot. What is given to it here is the pilot: a Unix socket with lines of
JSON in the place of a board.
"""

import asyncio
import json
import sys

from pyslac.enums import STATE_MATCHED, STATE_MATCHING, STATE_UNMATCHED
from pyslac.environment import Config
from pyslac.session import SlacEvseSession, SlacSessionController

NAMES = {STATE_UNMATCHED: "unmatched", STATE_MATCHING: "matching", STATE_MATCHED: "matched"}


def tell(**what):
    print(json.dumps(what), flush=True)


class Station(SlacSessionController):
    def __init__(self, writer):
        super().__init__()
        self.writer = writer

    async def notify_matching_ongoing(self, evse_id):
        tell(note="matching ongoing")

    async def notify_matching_failed(self, evse_id):
        tell(note="matching failed")

    async def enable_hlc_charging(self, evse_id):
        self.set_pilot("FIVE_PERCENT")

    def set_pilot(self, pilot):
        self.writer.write(json.dumps({"pilot": pilot}).encode() + b"\n")


async def watch_state(session):
    before = None
    while True:
        if session.state != before:
            before = session.state
            tell(state=NAMES[before])
        await asyncio.sleep(0.005)


async def main(pilot, interface):
    config = Config()
    config.load_envs()
    reader, writer = await asyncio.open_unix_connection(pilot)
    session = SlacEvseSession("DE*IOP*E1", interface, config)
    await session.evse_set_key()  # sleeps 10 s in the end: SLAC_SETTLE_TIME
    tell(note="key set")
    watching = asyncio.create_task(watch_state(session))
    station = Station(writer)
    writer.write(b'{"role": "station"}\n')
    while line := await reader.readline():
        signal = json.loads(line).get("signal")
        if signal == "B" and session.matching_process_task is None:
            await station.enable_hlc_charging(session.evse_id)
        elif signal == "A":
            station.set_pilot("STEADY")
        if signal is not None:
            await station.process_cp_state(session, signal)
    watching.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
