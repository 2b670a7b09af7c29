"""The data link below IP: what makes two stations hear each other, and the D-LINK
primitives as its only face.

``primitives`` is all that the layers above see. Back-ends: ``slac`` (HomePlug Green PHY, ISO 15118-3),
``spe`` (10BASE-T1S of MCS, ISO 15118-10) and ``plain`` (no matching). All are values without I/O.
"""
