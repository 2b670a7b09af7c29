"""Many sessions, fuzzing rounds or captures as one piece of work: a matrix of cells that is planned first,
run on many processes or machines, and gone on with where it was interrupted.

``plan`` and ``done`` know no clock, process or network; what runs the cells is given to ``carry_out``.
"""

from __future__ import annotations

from iso15118.campaign.journal import Journal
from iso15118.campaign.model import Campaign, read
from iso15118.campaign.page import page
from iso15118.campaign.plan import Cell, plan
from iso15118.campaign.results import Result, Tally
from iso15118.campaign.run import carry_out, on_dask, on_processes
from iso15118.campaign.work import run_cell

__all__ = [
    "Campaign",
    "Cell",
    "Journal",
    "Result",
    "Tally",
    "carry_out",
    "on_dask",
    "on_processes",
    "page",
    "plan",
    "read",
    "run_cell",
]
