"""Mutation tests: what if a line of the sessions or their drivers were wrong, and would a test say so?

``python -m tests.mutation --sample 200 --seed 1`` from the project's root; ``--help`` names the rest. It is a tool for people who change
``secc``, ``evcc``, ``session`` or ``aio``, and no part of ``make test``, which only tries the tool itself on a toy.
"""
