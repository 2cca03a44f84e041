"""People who asked to be forgotten: found in every place, erased from it, and kept from coming back."""

from stockbook.erasure.applying import heal, reapply

__all__ = ["heal", "reapply"]
