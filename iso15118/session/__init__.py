"""The vocabulary that both roles share: events in, actions out, limits, services and the reasons a session
ends.

Nothing here knows a state machine, a socket or a clock; ``secc`` and ``evcc`` speak this language and ``aio``
translates it to the world.
"""
