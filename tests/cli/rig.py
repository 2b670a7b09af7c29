"""The command line in this process: what it printed on both streams, and its exit status."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

from iso15118.cli import main


@dataclass(frozen=True)
class Printed:
    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def refusal(self) -> str:
        """What was said on a refusal, which is never a traceback, and on standard output only
        with ``--json``, as such."""
        assert "Traceback" not in self.err
        assert self.out == "" or list(self.data) == ["error"]
        assert self.status == 2, self.err
        return self.err


def iso15118(*arguments: str) -> Printed:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(arguments)
    return Printed(status, out.getvalue(), err.getvalue())
