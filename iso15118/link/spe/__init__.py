"""Single-pair Ethernet of MCS (10BASE-T1S, ISO 15118-10): the link machines of both
roles. No SLAC frames, no keys.

``signalling`` has the CE states, ``settings`` timers and PLCA, ``ev`` and ``evse`` the
machines, both ``DataLink``s.
"""
