"""
What colours are to eyes: the contrast of a text with its ground, and how far two colours lie apart.

Contrast is WCAG 2's ratio of relative luminances, distance CIEDE2000 in CIELAB (D65). Colour blindness is simulated by
the matrices of Machado, Oliveira and Fernandes (2009) for a full deficiency, on linear RGB.
"""

import math
import re
from itertools import combinations
from typing import NamedTuple

NORMAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
SIGHTS = {
    "normal": NORMAL,
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
_WHITE = (0.95047, 1.0, 1.08883)
_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))

Triple = tuple[float, float, float]
Matrix = tuple[Triple, Triple, Triple]


class Apart(NamedTuple):
    """The two colours that lie closest, to whom, and how far apart."""

    distance: float
    sight: str
    pair: tuple[str, str]


def rgb_of(text: str) -> Triple:
    """``#0072b2`` or ``rgb(0, 114, 178)`` as shares of full light."""
    if text.startswith("#"):
        return (int(text[1:3], 16) / 255, int(text[3:5], 16) / 255, int(text[5:7], 16) / 255)
    red, green, blue = (float(number) / 255 for number in re.findall(r"[\d.]+", text)[:3])
    return (red, green, blue)


def contrast(first: str, other: str) -> float:
    """From 1, the same, to 21, black on white."""
    light, dark = sorted((_luminance(rgb_of(colour)) for colour in (first, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def closest(colours: list[str]) -> Apart:
    """Of all pairs, to all kinds of sight, the one that lies closest."""
    return min(
        Apart(distance(_seen(first, matrix), _seen(other, matrix)), sight, (first, other))
        for first, other in combinations(colours, 2)
        for sight, matrix in SIGHTS.items()
    )


def distance(first: Triple, other: Triple) -> float:
    """CIEDE2000 of two colours in CIELAB; 1 is hardly seen, 10 at a glance."""
    (l1, a1, b1), (l2, a2, b2) = first, other
    mean_chroma = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    grey = 0.5 * (1 - math.sqrt(mean_chroma**7 / (mean_chroma**7 + 25**7)))
    a1, a2 = a1 * (1 + grey), a2 * (1 + grey)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    mean_hue = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    t = (
        1
        - 0.17 * math.cos(math.radians(mean_hue - 30))
        + 0.24 * math.cos(math.radians(2 * mean_hue))
        + 0.32 * math.cos(math.radians(3 * mean_hue + 6))
        - 0.20 * math.cos(math.radians(4 * mean_hue - 63))
    )
    s_light = 1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2)
    s_chroma, s_hue = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    rotated = -2 * math.sqrt(chroma**7 / (chroma**7 + 25**7))
    rotated *= math.sin(math.radians(60 * math.exp(-(((mean_hue - 275) / 25) ** 2))))
    d_light, d_chroma, d_hue = (l2 - l1) / s_light, (c2 - c1) / s_chroma, hue / s_hue
    return math.sqrt(d_light**2 + d_chroma**2 + d_hue**2 + rotated * d_chroma * d_hue)


def lab_of(colour: str) -> Triple:
    """A colour in CIELAB, as it is seen without a deficiency."""
    return _seen(colour, NORMAL)


def _seen(colour: str, matrix: Matrix) -> Triple:
    red, green, blue = _times(matrix, _linear(rgb_of(colour)))
    x, y, z = _times(_XYZ, (_within(red), _within(green), _within(blue)))
    fx, fy, fz = (_root(part / white) for part, white in zip((x, y, z), _WHITE, strict=True))
    return (116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz))


def _luminance(rgb: Triple) -> float:
    return _times(_XYZ, _linear(rgb))[1]


def _linear(rgb: Triple) -> Triple:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb)
    return (red, green, blue)


def _times(matrix: Matrix, vector: Triple) -> Triple:
    x, y, z = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return (x, y, z)


def _within(part: float) -> float:
    return min(1.0, max(0.0, part))


def _root(share: float) -> float:
    return share ** (1 / 3) if share > 0.008856 else 7.787 * share + 16 / 116
