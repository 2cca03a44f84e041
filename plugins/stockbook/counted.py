"""Numbers of things, in words."""


def counted(number: int, noun: str) -> str:
    """So many of a thing: ``1 line``, ``1,204 lines``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
