"""Communication stack for ISO 15118-20: the car (EVCC) and the charging station (SECC).

The front page: the few names most users need. The rest lives in the sub-packages, each of which has one subject.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
