"""Settings that people write: names to choose from, and the TOML files of a station and of a vehicle.

Everything wrong is refused with the key, the reason and the nearest thing that
would be right (``ConfigError``).
"""

from __future__ import annotations

from iso15118.settings.choice import choose, nearest

__all__ = ["choose", "nearest"]
