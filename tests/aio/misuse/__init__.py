"""Every attribute of every port and every callback, misused in every way in every phase of a session.

``python -m tests.aio.misuse`` runs all of it; a part chosen by a seed runs with the tests.
"""
