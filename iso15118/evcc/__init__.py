"""The vehicle's side of a session (EVCC): a value that takes events and gives actions.

``EvccSession`` is all a driver needs; the folder of each edition holds its script, which reads like the
sequence chart.
"""

from iso15118.evcc.config import EvccConfig
from iso15118.evcc.session import EvccSession

__all__ = ["EvccConfig", "EvccSession"]
