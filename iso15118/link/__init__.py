"""The data link below IP: what makes two stations hear each other, and the D-LINK primitives as its only face.

``primitives`` is all that the layers above see. Back-ends: ``slac`` (HomePlug Green PHY, ISO 15118-3) and ``plain`` (a link that needs no
matching). All of them are values without I/O: bytes, pilot changes and the time in, frames and pilot requests out.
"""
