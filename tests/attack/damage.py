"""Bytes damaged at random, as disks, links and people who mean harm damage them."""

import random
from collections.abc import Callable

Damage = Callable[[bytearray, random.Random], bytearray]


def _cut(data: bytearray, luck: random.Random) -> bytearray:
    return data[: luck.randrange(len(data))]


def _flipped(data: bytearray, luck: random.Random) -> bytearray:
    for _ in range(luck.choice((1, 1, 8, 64))):
        data[luck.randrange(len(data))] ^= 1 << luck.randrange(8)
    return data


def _overwritten(data: bytearray, luck: random.Random) -> bytearray:
    start = luck.randrange(len(data))
    size = min(luck.choice((1, 4, 64, 4096)), len(data) - start)
    fill = luck.choice((b"\0" * size, b"\xff" * size, luck.randbytes(size)))
    return data[:start] + fill + data[start + size :]


def _without_a_piece(data: bytearray, luck: random.Random) -> bytearray:
    start = luck.randrange(len(data))
    return data[:start] + data[start + luck.choice((1, 4, 64, 4096)) :]


def _with_a_piece_twice(data: bytearray, luck: random.Random) -> bytearray:
    start = luck.randrange(len(data))
    return data[:start] + data[start : start + luck.choice((1, 64, 4096))] + data[start:]


def _longer(data: bytearray, luck: random.Random) -> bytearray:
    return data + luck.randbytes(luck.choice((1, 100)))


_DAMAGES: tuple[Damage, ...] = (
    _cut, _flipped, _flipped, _overwritten, _without_a_piece, _with_a_piece_twice, _longer,
)  # fmt: skip


def damaged(data: bytes, luck: random.Random) -> bytes:
    """`data`, of which at least one byte is left, damaged once or twice."""
    result = bytearray(data)
    for _ in range(luck.choice((1, 1, 2))):
        result = luck.choice(_DAMAGES)(result, luck) or bytearray(b"\0")
    return bytes(result)
