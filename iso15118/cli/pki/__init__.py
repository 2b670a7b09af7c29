"""``iso15118 pki``: make test PKIs, good ones and broken ones, and judge and explain what others made.

Results go to stdout, as text or with ``--json`` as one JSON object; what went wrong goes to stderr. Exit
status: 0 as asked, 2 wrong options or configuration, 4 a chain that is refused or a certificate that cannot
be used.
"""

from __future__ import annotations

# Each module adds its commands; this order is that of the help.
from iso15118.cli.pki import make as _make  # isort: skip
from iso15118.cli.pki import files as _files  # isort: skip
from iso15118.cli.pki import broken as _broken  # isort: skip
from iso15118.cli.pki import judge as _judge  # isort: skip
from iso15118.cli.pki import respond as _respond  # isort: skip
from iso15118.cli.pki.common import app

__all__ = ["app"]
_commands = (_make, _files, _broken, _judge, _respond)
