"""Which font has the letters of a text: matplotlib brings one of many scripts, the system more."""

import os
import re
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

_STYLED = re.compile("bold|italic|oblique|light|thin|black|cond|narrow|mono", re.IGNORECASE)
_JOINERS = "\u200c\u200d\ufe0f"
"""They change how their neighbours look and are never seen."""
_PLACEHOLDERS = "lastresort"
"""Fonts that have every letter, and draw all of a script alike."""


@lru_cache(4096)
def having(text: str) -> str | None:
    """The file of the first font here that has every letter of `text`; None if none has."""
    letters = [ord(letter) for letter in text if letter not in _JOINERS]
    return next((file for file in _files() if np.isin(letters, _letters(file)).all()), None)


@cache
def _files() -> Sequence[str]:
    """The font of matplotlib, then the system's, upright ones before others."""
    try:
        from matplotlib import font_manager, get_data_path
    except ModuleNotFoundError:  # the image of a server does without
        return []
    ours = os.path.join(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    theirs = [path for path in font_manager.findSystemFonts() if _PLACEHOLDERS not in path.lower()]
    return [ours, *sorted(theirs, key=lambda path: (bool(_STYLED.search(path)), path))]


@cache
def _letters(file: str) -> NDArray[np.uint32]:
    """The code points that a font can draw at any size; none if it is damaged."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(file)
    except (OSError, RuntimeError):
        return np.empty(0, np.uint32)
    return np.array(list(font.get_charmap()) if font.scalable else [], np.uint32)
