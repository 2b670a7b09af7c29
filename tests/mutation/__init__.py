"""Mutation tests: what if a line of the sessions or their drivers were wrong, and would a test say so?

``python -m tests.mutation --only iso15118/session --budget 6`` from the project's root; ``--help`` names the
rest. It is a tool for people who change ``secc``, ``evcc``, ``session`` or ``aio``, and no part of ``make
test``, which only tries the tool itself on a toy.

Verdicts are kept in ``target/mutation/verdicts.jsonl``. A run that was broken off goes on where it was; a
file that has changed is tried again, and so is whoever lived, with the test modules that have changed since.
Begin with a small budget for all, and give more to the undecided. Whoever may live stands in
``survivors.toml``, with the reason.
"""
