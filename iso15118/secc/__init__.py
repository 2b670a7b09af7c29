"""The charging station's side of a session (SECC): a value that takes events and gives actions.

``SeccSession`` is all a driver needs; the folder of each edition holds its table of what is legal and the
handlers behind it.
"""

from .config import SeccConfig
from .session import SeccSession

__all__ = ["SeccConfig", "SeccSession"]
