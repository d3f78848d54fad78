"""Draw the example pictures in the folder images beside this program.

Every picture is made by this code alone, from shapes, noise and light; no photo, texture or
drawing of others is in it, and it carries the project's licence. Needs numpy and Pillow:

    python examples/make_images.py
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import ExifTags, Image, ImageFilter
from raymarch import (
    Array,
    Body,
    Camera,
    Light,
    Part,
    Vec,
    ball,
    box,
    disc,
    floor_light,
    limb,
    noise,
    render,
    to_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Person:
    """How a person is built, dressed and posed; angles in degrees, forwards positive.

    A leg is (thigh swing, knee bend, spread), an arm (swing, elbow bend, spread), left first.
    """

    skin: Vec = (0.9, 0.7, 0.58)
    hair: Vec = (0.2, 0.13, 0.09)
    top: Vec = (0.2, 0.35, 0.6)
    bottom: Vec = (0.17, 0.2, 0.3)
    shoes: Vec = (0.15, 0.13, 0.12)
    long_hair: bool = False
    sleeves: bool = False
    skirt: bool = False
    shorts: bool = False
    child: bool = False
    hips: float = 1.0
    chest: float = 1.0
    legs: tuple[Vec, Vec] = ((2, 3, 4), (-2, 2, 4))
    arms: tuple[Vec, Vec] = ((3, 12, 8), (-3, 14, 8))


def direction(swing_deg: float, spread_deg: float, side: int) -> Array:
    """The way a hanging limb points."""
    a, b = np.radians(swing_deg), np.radians(spread_deg)
    return np.float32([side * np.sin(b), -np.cos(a) * np.cos(b), np.sin(a) * np.cos(b)])


def folds(p: Array, depth_m: float) -> Array:
    """Creases of cloth, as a shift of the surface."""
    warp = np.sin(p[:, 1] * 11 + 3 * np.sin(p[:, 0] * 9)) * 2
    waves = np.sin(p[:, 1] * 47 + p[:, 0] * 21 + warp) + np.sin(p[:, 1] * 29 - p[:, 2] * 37 - warp)
    return np.float32(depth_m) * waves


def cloth(part: Part, depth_m: float = 0.0022) -> Part:
    """The same part with creases."""

    def distance(p: Array) -> Array:
        d = part.distance(p)
        near = np.flatnonzero(np.abs(d) < 0.03)
        d[near] += folds(p[near], depth_m)
        return d

    return replace(part, distance=distance)


def skin_tight(part: Part) -> Part:
    """The same part: skin has no creases."""
    return part


def cut(part: Part, y_m: float) -> Part:
    """The same part without what lies below a height."""
    return replace(part, distance=lambda p: np.maximum(part.distance(p), np.float32(y_m) - p[:, 1]))


def face_paint(skin: Vec, hair: Vec, centre: Vec) -> Callable[[Array], Array]:
    """Skin with eyes, brows, lips and a warmer cheek, in head coordinates."""

    def paint(p: Array) -> Array:
        q = p - np.float32(centre)
        colour = np.tile(np.float32(skin), (len(p), 1))
        front = q[:, 2] > 0.03

        def spot(x: float, y: float, rx: float, ry: float, tint: Vec, strength: float) -> None:
            r = np.hypot((np.abs(q[:, 0]) - x) / rx, (q[:, 1] - y) / ry)
            cover = np.clip((1.25 - r) * 3, 0, 1) * strength * front
            colour[:] += cover[:, None] * (np.float32(tint) - colour)

        spot(0.043, -0.024, 0.024, 0.02, (0.86, 0.42, 0.36), 0.35)
        level = q[:, 1].copy()
        q[:, 1] = level - 9 * q[:, 0] ** 2
        spot(0.0, -0.064, 0.027, 0.006, (0.66, 0.26, 0.25), 0.9)
        q[:, 1] = level
        spot(0.032, 0.012, 0.013, 0.0065, (0.95, 0.94, 0.92), 1)
        spot(0.032, 0.012, 0.0078, 0.0075, (0.16, 0.1, 0.07), 1)
        spot(0.033, 0.0205, 0.0155, 0.0025, (0.12, 0.08, 0.06), 0.8)
        spot(0.034, 0.037, 0.018, 0.0035, hair, 0.7)
        return colour

    return paint


def figure(who: Person) -> list[Part]:
    """The parts of a person 1.75 m tall, looking along z, feet near y = 0."""
    parts: list[Part] = []
    top = who.top
    lower = who.skin if (who.skirt or who.shorts) else who.bottom
    for side, leg in zip((1, -1), who.legs, strict=True):
        hip = np.float32([side * 0.088 * who.hips, 0.9, 0])
        knee = hip + 0.43 * direction(leg[0], leg[2], side)
        ankle = knee + 0.4 * direction(leg[0] - leg[1], leg[2] * 0.3, side)
        toe = ankle + np.float32([side * 0.035, -0.045, 0.15])
        bare = lower is who.skin
        wrap = skin_tight if bare else cloth
        parts += [
            wrap(limb(hip, knee, 0.086, 0.055 if bare else 0.064, lower)),
            wrap(limb(knee, ankle, 0.053 if bare else 0.062, 0.034 if bare else 0.052, lower)),
            ball(knee + 0.4 * (ankle - knee) - (0, 0, 0.012), (0.05, 0.11, 0.054), lower),
            limb(ankle + np.float32([0, -0.035, -0.03]), toe, 0.047, 0.036, who.shoes, melt_m=0.03),
        ]
        if who.shorts:
            parts.append(cloth(limb(hip, hip + 0.8 * (knee - hip), 0.1, 0.095, who.bottom)))
    if who.skirt:
        flare = limb((0, 0.98, 0), (0, 0.5, 0), 0.15, 0.24, who.bottom)
        parts.append(cut(cloth(flare, 0.004), 0.47))
    parts += [
        cloth(ball((0, 0.93, -0.005), (0.158 * who.hips, 0.12, 0.118), who.bottom, melt_m=0.05)),
        cloth(ball((0, 1.1, 0), (0.142, 0.19, 0.1), top, melt_m=0.05)),
        cloth(ball((0, 1.26, 0.0), (0.162 * who.chest, 0.19, 0.112), top, melt_m=0.06)),
        cloth(limb((0, 1.41, -0.01), (0.135 * who.chest, 1.375, -0.01), 0.07, 0.056, top)),
        cloth(limb((0, 1.41, -0.01), (-0.135 * who.chest, 1.375, -0.01), 0.07, 0.056, top)),
    ]
    if who.hips > 1:
        parts.append(cloth(ball((0, 1.27, 0.065), (0.13, 0.075, 0.07), top, melt_m=0.05), 0.001))
    for side, arm in zip((1, -1), who.arms, strict=True):
        shoulder = np.float32([side * 0.163 * who.chest, 1.362, -0.01])
        elbow = shoulder + 0.27 * direction(arm[0], arm[2], side)
        wrist = elbow + 0.24 * direction(arm[0] + arm[1], arm[2] * 0.4, side)
        hand = wrist + 0.09 * direction(arm[0] + arm[1] + 8, 0, side)
        thumb = wrist + 0.6 * (hand - wrist) + np.float32([-side * 0.025, 0, 0.02])
        fore = top if who.sleeves else who.skin
        wrap = cloth if who.sleeves else skin_tight
        parts += [
            wrap(limb(shoulder, elbow, 0.052, 0.047 if who.sleeves else 0.042, fore)),
            wrap(limb(elbow, wrist, 0.046 if who.sleeves else 0.041, 0.032, fore, melt_m=0.006)),
            limb(wrist, hand, 0.027, 0.028, who.skin, melt_m=0.006),
            limb(wrist, thumb, 0.015, 0.013, who.skin, melt_m=0.006),
        ]
        if not who.sleeves:
            cuff = shoulder + 0.55 * (elbow - shoulder)
            parts.append(cloth(limb(shoulder, cuff, 0.057, 0.058, top, melt_m=0.03)))
    return parts + head_parts(who)


def head_parts(who: Person) -> list[Part]:
    """Neck, head and hair; a child's head is larger for its height."""
    head = 1.22 if who.child else 1.0
    skull = (0, 1.61 + 0.11 * (head - 1), 0.015)
    paint = face_paint(who.skin, who.hair, skull)

    def at(dx: float, dy: float, dz: float) -> Vec:
        return dx * head, skull[1] + dy * head, 0.015 + dz * head

    def size(rx: float, ry: float, rz: float) -> Vec:
        return rx * head, ry * head, rz * head

    parts = [
        limb((0, 1.4, -0.015), (0, 1.56, 0.0), 0.056, 0.05, who.skin, melt_m=0.03),
        ball(at(0, 0.01, 0), size(0.074, 0.105, 0.09), paint, melt_m=0.02),
        ball(at(0, -0.05, 0.026), size(0.053, 0.058, 0.06), paint, melt_m=0.05),
        limb(at(0, 0.006, 0.086), at(0, -0.026, 0.1), 0.006, 0.0125, who.skin, melt_m=0.02),
        ball(at(0.078, -0.008, -0.005), size(0.014, 0.028, 0.018), who.skin, melt_m=0.01),
        ball(at(-0.078, -0.008, -0.005), size(0.014, 0.028, 0.018), who.skin, melt_m=0.01),
        cloth(ball(at(0, 0.038, -0.022), size(0.088, 0.092, 0.098), who.hair, -14, melt_m=0.004)),
    ]
    if who.long_hair:
        parts.append(cloth(ball(at(0, -0.05, -0.055), size(0.1, 0.17, 0.062), who.hair), 0.004))
    return parts


def person(x: float, yaw_deg: float, height_m: float = 1.75, **look: Any) -> Body:
    """A person standing on the floor at x; look is what Person takes."""
    half, scale = (0.66, 1.02, 0.64), height_m / 1.75
    body = Body(figure(Person(**look)), (0, 0.92, 0), half, yaw_deg=yaw_deg, scale=scale)
    grid = np.meshgrid(
        np.linspace(-0.4, 0.4, 21), np.linspace(-0.3, 0.5, 81), np.linspace(-0.7, 0.7, 36)
    )
    probe = np.float32(np.stack(grid, -1).reshape(-1, 3))
    inside = probe[body.distance(probe @ body.turn * body.scale) < 0.02]
    body.place = (x, -float(inside[:, 1].min()) * scale - 0.01, 0.0)
    return body


def bus_paint(livery: Vec) -> Callable[[Array], Array]:
    """A city bus: livery, windows, doors, sign, lamps."""

    def paint(p: Array) -> Array:
        x, y, z = np.abs(p[:, 0]), p[:, 1], p[:, 2]
        colour = np.tile(np.float32(livery), (len(p), 1))
        front, side = z > 4.9, x > 1.18

        def put(where: Array, tint: Vec) -> None:
            colour[where] = tint

        glass, shine, black = (0.13, 0.18, 0.22), (0.25, 0.32, 0.37), (0.06, 0.06, 0.07)
        put((y < 0.62), (0.16, 0.16, 0.17))
        put(side & (np.abs(y - 1) < 0.05), (0.93, 0.92, 0.88))
        pane = side & (np.abs((z + 4.7) % 1.5 - 0.75) < 0.69) & (np.abs(z) < 4.72)
        put(pane & (np.abs(y - 1.9) < 0.52), glass)
        put(pane & (np.abs(y - 2.01) < 0.41) & (np.sin(z * 5 + y * 2) > 0.75), shine)
        put(front & (np.abs(y - 1.785) < 0.635) & (x < 1.12), glass)
        slant = np.abs(p[:, 0] * 0.8 + y - 2.075) < 0.175
        put(front & (np.abs(y - 1.79) < 0.59) & (x < 1.08) & slant, shine)
        put(front & (np.abs(y - 2.66) < 0.16) & (x < 0.9), black)
        text = np.sin(p[:, 0] * 41) + np.sin(p[:, 0] * 23 + 1) > -0.2
        put(front & (np.abs(y - 2.66) < 0.085) & (x < 0.7) & text, (1.0, 0.72, 0.15))
        put(front & (np.hypot((x - 0.92) / 1.4, y - 0.8) < 0.13), (1.0, 0.98, 0.88))
        put(front & (np.hypot(x - 0.62, y - 0.8) < 0.09), (0.95, 0.92, 0.8))
        put(front & (np.abs(y - 0.8) < 0.08) & (x < 0.3), (0.95, 0.94, 0.85))
        for axle in (2.35, -2.9):
            put(side & (np.hypot(y - 0.48, z - axle) < 0.62), (0.05, 0.05, 0.05))
        return colour

    return paint


def bus(livery: Vec, x: float, z: float, yaw_deg: float) -> Body:
    """A city bus 10 m long, its front towards z."""
    parts = [
        box((0, 1.68, 0), (1.25, 1.38, 5.0), 0.14, bus_paint(livery), gloss=0.5),
        box((0, 3.06, -1), (0.9, 0.12, 2.6), 0.08, (0.85, 0.85, 0.83)),
    ]
    for axle in (2.35, -2.9):
        for side in (1, -1):
            parts.append(disc((side * 1.16, 0.48, axle), 0.48, 0.14, (0.07, 0.07, 0.07)))
            parts.append(disc((side * 1.28, 0.48, axle), 0.25, 0.04, (0.62, 0.62, 0.62)))
    for side in (1, -1):
        parts.append(
            limb((side * 1.2, 2.5, 4.9), (side * 1.45, 2.4, 5.25), 0.03, 0.03, (0.1, 0.1, 0.1))
        )
        parts.append(box((side * 1.47, 2.15, 5.25), (0.1, 0.22, 0.05), 0.04, (0.1, 0.1, 0.1)))
    return Body(parts, (0, 1.6, 0.1), (1.62, 1.65, 5.3), (x, 0, z), yaw_deg)


def eye_paint(centre: Vec, iris: Vec) -> Callable[[Array], Array]:
    """An animal's eye with a highlight."""

    def paint(p: Array) -> Array:
        u, v = np.abs(p[:, 0]) - centre[0], p[:, 1] - centre[1]
        colour = np.tile(np.float32(iris), (len(p), 1))
        colour[np.hypot(u, v) < 0.021] = (0.03, 0.03, 0.03)
        colour[np.hypot(p[:, 0] - np.sign(p[:, 0]) * centre[0] + 0.008, v - 0.011) < 0.0065] = 1
        return colour

    return paint


def dog(coat: Vec, dark: Vec, light: Vec, yaw_deg: float = 0.0) -> Body:
    """A sitting dog with hanging ears, drawn 1 m tall, facing z."""

    def paint(p: Array) -> Array:
        x, y, z = np.abs(p[:, 0]), p[:, 1], p[:, 2]
        colour = np.tile(np.float32(coat), (len(p), 1))
        bib = np.clip((0.12 - np.hypot(x, (y - 0.42) * 0.5)) * 14, 0, 1) * (z > 0.02)
        blaze = np.clip((0.03 + 0.045 * (y < 0.78) - x) * 50, 0, 1) * (z > 0.1) * (y > 0.6)
        socks = np.clip((0.12 - y) * 22, 0, 1) * (z > 0.05)
        colour += np.maximum(np.maximum(bib, blaze), socks)[:, None] * (np.float32(light) - colour)
        colour[(x > 0.135) & (y > 0.6)] = dark
        return colour

    black, eye = (0.06, 0.05, 0.05), (0.062, 0.85, 0.178)
    iris = eye_paint(eye, (0.25, 0.13, 0.06))
    parts = [
        ball((0, 0.3, -0.12), (0.19, 0.3, 0.22), paint, melt_m=0.06),
        ball((0, 0.46, 0.0), (0.165, 0.24, 0.16), paint, melt_m=0.08),
        limb((0, 0.6, 0.0), (0, 0.75, 0.04), 0.125, 0.11, paint, melt_m=0.05),
        ball((0, 0.82, 0.06), (0.145, 0.14, 0.15), paint, melt_m=0.04),
        limb((0, 0.79, 0.12), (0, 0.755, 0.27), 0.088, 0.06, paint, melt_m=0.05),
        limb((0, 0.725, 0.13), (0, 0.705, 0.235), 0.06, 0.038, paint, melt_m=0.01),
        ball((0, 0.79, 0.322), (0.038, 0.028, 0.024), black, gloss=0.8, melt_m=0.006),
        ball((0, 0.715, 0.262), (0.045, 0.008, 0.03), (0.15, 0.08, 0.08), gloss=0.01, melt_m=0),
        limb((0.15, 0.05, -0.25), (0.36, 0.06, -0.1), 0.05, 0.03, paint, melt_m=0.04),
    ]
    for s in (1, -1):
        parts += [
            ball((s * eye[0], *eye[1:]), (0.026, 0.025, 0.024), iris, gloss=0.8, melt_m=0.002),
            ball((s * 0.165, 0.78, 0.045), (0.035, 0.135, 0.075), paint, melt_m=0.015),
            limb((s * 0.1, 0.915, 0.03), (s * 0.16, 0.86, 0.045), 0.04, 0.042, paint),
            limb((s * 0.09, 0.45, 0.05), (s * 0.085, 0.08, 0.12), 0.078, 0.055, paint, melt_m=0.03),
            ball((s * 0.088, 0.045, 0.165), (0.062, 0.046, 0.085), paint, melt_m=0.02),
            ball((s * 0.17, 0.17, -0.04), (0.1, 0.17, 0.19), paint, melt_m=0.04),
            ball((s * 0.2, 0.045, 0.1), (0.06, 0.045, 0.12), paint, melt_m=0.02),
        ]
    return Body(
        parts, (0, 0.48, 0), (0.42, 0.5, 0.4), yaw_deg=yaw_deg, fur_m=0.04, nose=(0, 0.78, 0.3)
    )


@dataclass(frozen=True)
class Place:
    """What lies behind the bodies: a floor, an upright backdrop across it and a sky."""

    floor: Callable[[Array, Array], Array]
    wall: Callable[[Array, Array], Array]
    wall_z: float = -8.0
    wall_top_m: float = 50.0
    ragged_m: float = 0.0
    sky: tuple[Vec, Vec] = ((0.84, 0.9, 0.95), (0.42, 0.62, 0.86))
    blur_px: float = 2.0


def tinted(tint: Vec, amount: Array) -> Array:
    """A colour made lighter and darker by amount."""
    return np.float32(tint) * (1 + amount[..., None])


def grass(x: Array, z: Array) -> Array:
    """A lawn."""
    fine = noise(x * 26, z * 26, 1) * 0.35 + noise(x * 1.3, z * 1.3, 2, 3) * 0.22
    return tinted((0.37, 0.5, 0.2), fine) + noise(x * 3, z * 3, 3)[..., None] * (0.06, 0.02, 0)


def sand(x: Array, z: Array) -> Array:
    """A beach."""
    return tinted((0.84, 0.75, 0.58), noise(x * 22, z * 22, 1) * 0.14 + noise(x, z * 3, 2) * 0.1)


def path(x: Array, z: Array) -> Array:
    """A gravel path that runs away from the camera through grass."""
    gravel = tinted((0.68, 0.62, 0.53), noise(x * 30, z * 30, 5) * 0.25 + noise(x, z, 6) * 0.1)
    edge = np.clip((np.abs(x + 0.15 * z) - 1.15 + noise(x * 4, z * 4, 7) * 0.3) * 6, 0, 1)
    return gravel + edge[..., None] * (grass(x, z) - gravel)


def road(x: Array, z: Array) -> Array:
    """A street that runs across the view, with a pavement and a kerb behind it."""
    colour = tinted((0.4, 0.4, 0.41), noise(x * 24, z * 24, 1) * 0.16 + noise(x, z, 2) * 0.12)
    stone = tinted((0.66, 0.64, 0.6), noise(x * 20, z * 20, 3) * 0.1 + noise(x, z, 4) * 0.08)
    joint = ((x % 0.9) < 0.02) | ((z % 0.9) < 0.02)
    colour = np.where((z < -3.4)[..., None], stone * np.where(joint, 0.8, 1)[..., None], colour)
    colour = np.where(((z > -3.55) & (z < -3.4))[..., None], 0.76, colour)
    dash = (np.abs(z - 2.2) < 0.07) & (x % 3 < 1.6)
    return np.where(dash[..., None], 0.85, colour)


def paving(x: Array, z: Array) -> Array:
    """Square flagstones."""
    stone = tinted((0.66, 0.63, 0.58), noise(x * 20, z * 20, 3) * 0.1 + noise(x, z, 4) * 0.12)
    tile = noise(np.floor(x / 0.6) * 5.3, np.floor(z / 0.6) * 3.7, 9, 1)
    joint = ((x % 0.6) < 0.015) | ((z % 0.6) < 0.015)
    return (stone * (1 + tile[..., None] * 0.1)) * np.where(joint, 0.72, 1)[..., None]


def trees(x: Array, y: Array) -> Array:
    """The edge of a wood."""
    leaves = noise(x * 1.1, y * 1.1, 11) * 0.7 + noise(x * 6, y * 6, 12) * 0.5
    trunk = (np.abs((x + 0.4 * noise(x * 0.3, y * 0.2, 4)) % 2.7 - 1.3) < 0.13) & (y < 1.7)
    green = tinted((0.2, 0.32, 0.15), leaves) + np.maximum(leaves, 0)[..., None] * (0.12, 0.1, 0.02)
    return np.where(trunk[..., None], np.float32((0.2, 0.16, 0.12)), green)


def facades(x: Array, y: Array) -> Array:
    """A row of houses with windows and a darker ground floor."""
    house = np.floor(x / 5.2)
    shade = noise(house * 7.7, house * 0 + 0.5, 21, 1)
    wall = np.float32((0.7, 0.6, 0.5)) + shade[..., None] * (0.16, 0.2, 0.24)
    wall = wall * (1 + noise(x * 3, y * 3, 22) * 0.08)[..., None]
    u, v = x % 1.73 - 0.86, y % 2.9 - 1.5
    frame, pane = (np.abs(u) < 0.5) & (np.abs(v) < 0.85), (np.abs(u) < 0.42) & (np.abs(v) < 0.77)
    wall = np.where(frame[..., None], 0.88, wall)
    glass = tinted((0.3, 0.36, 0.42), noise(x * 0.9, y * 0.9, 23) * 0.5)
    wall = np.where((pane & (np.abs(u) > 0.03))[..., None], glass, wall)
    return np.where((y < 0.35)[..., None], 0.42, wall)


def sea(x: Array, y: Array) -> Array:
    """Water with a line of foam near the shore."""
    foam = noise(x * 0.5, y * 9, 41) + 0.4 * noise(x * 3, y * 30, 42)
    water = tinted((0.22, 0.46, 0.58), foam * 0.3 + (1.4 - y) * 0.15)
    return np.where(((y < 0.3 + 0.1 * np.sin(x)) & (foam > -0.1))[..., None], 0.92, water)


def plain(tint: Vec) -> Callable[[Array, Array], Array]:
    """One colour, hardly uneven."""
    return lambda x, y: tinted(tint, noise(x, y, 51) * 0.05)


def backdrop(camera: Camera, place: Place) -> Array:
    """The empty place as linear light, softened by distance."""
    rays, eye = camera.rays(), camera.eye
    dx, dy, dz = rays.T
    rise = np.clip(dy * 2.2, 0, 1)[:, None]
    low, high = np.float32(place.sky)
    cloud = np.clip(noise(dx * 4, dy * 9, 61) * 2.2 + 0.1, 0, 1)[:, None] * 0.75
    colour = low + rise * (high - low)
    colour += cloud * (np.float32(0.96) - colour)
    with np.errstate(divide="ignore", invalid="ignore"):
        to_wall = np.where(dz < -1e-4, (place.wall_z - eye[2]) / dz, np.inf)
        to_floor = np.where(dy < -1e-4, -eye[1] / dy, np.inf)
    x, y = eye[0] + to_wall * dx, eye[1] + to_wall * dy
    with np.errstate(invalid="ignore"):
        top = place.wall_top_m + place.ragged_m * np.nan_to_num(np.sin(x * 0.7) + np.sin(x * 1.9))
        wall = np.isfinite(to_wall) & (y > 0) & (y < top)
    floor = ~wall & np.isfinite(to_floor)
    colour[wall] = place.wall(x[wall], y[wall])
    far = to_floor[floor]
    colour[floor] = place.floor(eye[0] + far * dx[floor], eye[2] + far * dz[floor])
    size = (camera.size_px[1], camera.size_px[0])
    image = Image.fromarray(np.uint8(np.clip(colour, 0, 1).reshape(*size, 3) * 255))
    soft = image.filter(ImageFilter.GaussianBlur(place.blur_px))
    focus_m = np.linalg.norm(np.subtract(camera.eye, camera.target))
    sharp = np.clip(2.2 - np.minimum(to_floor, 1e3) / focus_m, 0, 1) * floor
    mask = Image.fromarray(np.uint8(sharp.reshape(size) * 255))
    soft.paste(image, mask=mask)
    return (np.float32(soft) / 255) ** 2.2


@dataclass(frozen=True)
class Picture:
    """One example picture: its file, camera, place, light and bodies."""

    name: str
    camera: Camera
    place: Place
    bodies: list[Body]
    light: Light
    grain: float = 3.0
    quarter_turn: bool = False


def photograph(picture: Picture, per_px: int = 2) -> Image.Image:
    """The finished picture: bodies over the lit place, a little vignette and grain."""
    camera = picture.camera
    ground = backdrop(camera, picture.place) * floor_light(picture.bodies, camera, picture.light)
    image = Image.fromarray(to_bytes(ground)).convert("RGBA")
    image.alpha_composite(render(picture.bodies, camera, picture.light, per_px))
    width, height = camera.size_px
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    rng = np.random.default_rng(len(picture.name))
    values = np.float32(image.convert("RGB")) * (1.02 - 0.07 * (x * x + y * y))[..., None]
    for spread, shape in ((picture.grain, (height, width, 1)), (picture.grain / 3, values.shape)):
        values += rng.normal(0, spread, shape)
    return Image.fromarray(np.uint8(np.clip(values, 0, 255)))


WALK = {"legs": ((22, 8, 3), (-14, 12, 3)), "arms": ((-18, 14, 7), (22, 20, 7))}
STEP = {"legs": ((-20, 22, 3), (20, 6, 3)), "arms": ((24, 22, 7), (-20, 12, 7))}
STAND = {"legs": ((2, 3, 4), (-2, 2, 4)), "arms": ((3, 12, 11), (-3, 14, 11))}
WOMAN = {"long_hair": True, "hips": 1.06, "chest": 0.93}
RUN = {"legs": ((42, 60, 3), (-22, 40, 3)), "arms": ((-35, 85, 9), (38, 80, 9))}
WAVE = {"legs": ((2, 3, 5), (-2, 2, 5)), "arms": ((10, 14, 12), (10, -160, 125))}

PARK = Place(path, trees, -11, 5.5, 0.5, blur_px=3.5)
LAWN = Place(grass, trees, -14, 4.5, 0.6, blur_px=4)
STREET = Place(road, facades, -6, 30, blur_px=1.8)
SQUARE = Place(paving, facades, -11, 30, blur_px=3)
BEACH = Place(sand, sea, -16, 1.25, sky=((0.85, 0.92, 0.96), (0.45, 0.68, 0.9)), blur_px=2.5)
STUDIO = Place(plain((0.62, 0.63, 0.65)), plain((0.69, 0.71, 0.74)), -2.5, blur_px=6)


def pictures() -> list[Picture]:
    """Every example picture."""
    navy, slate, denim = (0.12, 0.14, 0.25), (0.24, 0.23, 0.24), (0.3, 0.36, 0.5)
    blue, green, white = (0.2, 0.35, 0.6), (0.3, 0.45, 0.35), (0.9, 0.9, 0.88)
    red, yellow, teal = (0.75, 0.2, 0.2), (0.95, 0.8, 0.3), (0.35, 0.55, 0.6)
    scarlet, black = (0.8, 0.25, 0.2), (0.13, 0.13, 0.15)
    tan, dark = {"skin": (0.8, 0.58, 0.44)}, {"skin": (0.5, 0.33, 0.24), "hair": (0.06, 0.05, 0.05)}
    return [
        Picture(
            "woman-walking-in-park.jpg",
            Camera((0.05, 1.4, 6.6), (-0.34, 0.89, 0), 25, (480, 640)),
            PARK,
            [person(0, 37, **STEP, **WOMAN, top=green, bottom=denim)],
            Light((-0.58, 0.94, 0.39)),
        ),
        Picture(
            "man-crossing-square.jpg",
            Camera((0.1, 1.67, 9), (-0.25, 0.82, 0), 22, (480, 600)),
            SQUARE,
            [person(0, -65, 1.82, **WALK, **tan, sleeves=True, chest=1.05, top=blue, bottom=slate)],
            Light((0.51, 0.72, 0.48)),
        ),
        Picture(
            "child-waving-on-lawn.jpg",
            Camera((0, 2.03, 4.3), (-0.01, 0.55, 0), 24, (480, 520)),
            LAWN,
            [person(0, 3, 1.15, **WAVE, child=True, shorts=True, top=yellow, bottom=navy)],
            Light((0.46, 0.72, 0.53)),
        ),
        Picture(
            "runner-turned-by-exif.jpg",
            Camera((0.05, 1.24, 6.82), (-0.33, 0.95, 0), 25, (440, 620)),
            PARK,
            [person(0, 3, **RUN, **dark, shorts=True, top=green, bottom=navy, shoes=white)],
            Light((-0.47, 0.74, 0.52)),
            quarter_turn=True,
        ),
        Picture(
            "couple-on-beach.jpg",
            Camera((0, 1.33, 4.87), (-0.07, 0.88, 0), 28, (600, 540)),
            BEACH,
            [
                person(
                    -0.42, 17, 1.68, **STAND, **WOMAN, **tan, skirt=True, top=yellow, bottom=white
                ),
                person(0.42, -5, 1.8, **STAND, **dark, shorts=True, top=blue, bottom=navy),
            ],
            Light((0.48, 0.91, 0.51)),
        ),
        Picture(
            "three-people-walking.jpg",
            Camera((0, 1.68, 5), (-0.02, 0.93, 0), 28, (680, 500)),
            SQUARE,
            [
                person(-0.95, 21, 1.68, **WALK, **WOMAN, top=blue, bottom=denim),
                person(0, -19, 1.8, **STEP, **dark, top=white, bottom=slate),
                person(0.95, -13, **WALK, **tan, sleeves=True, top=red, bottom=slate),
            ],
            Light((0.54, 0.53, 0.45)),
        ),
        Picture(
            "far-walker-on-path.jpg",
            Camera((-0.04, 1.66, 7.3), (0.66, 1.12, 0), 30, (720, 495)),
            PARK,
            [person(0, -12, **WALK, top=scarlet, bottom=black)],
            Light((0.3, 0.66, 0.63)),
        ),
        Picture(
            "woman-close-up.jpg",
            Camera((0, 1.68, 3.06), (0.09, 1.23, 0), 24, (520, 520)),
            LAWN,
            [person(0, 28, **STAND, **WOMAN, top=teal, bottom=slate)],
            Light((0.56, 0.87, 0.42)),
        ),
        Picture(
            "man-in-studio.png",
            Camera((0, 1.63, 6.41), (-0.08, 0.94, 0), 22, (420, 540)),
            STUDIO,
            [person(0, 8, 1.8, **STAND, **tan, sleeves=True, chest=1.04, top=red, bottom=slate)],
            Light((-0.58, 0.74, 0.39)),
            grain=0,
        ),
        Picture(
            "red-bus.jpg",
            Camera((0, 2.05, 16.56), (0.27, 1.51, 0), 26, (720, 495)),
            replace(STREET, wall_z=-9),
            [bus((0.75, 0.12, 0.1), 0, -2, 31)],
            Light((-0.62, 0.83, 0.32)),
        ),
        Picture(
            "green-bus-near.jpg",
            Camera((0, 2.05, 14.51), (0.14, 1.53, 0), 26, (520, 520)),
            replace(STREET, wall_z=-12),
            [bus((0.1, 0.45, 0.3), 0, -2, 22)],
            Light((-0.03, 0.6, 0.7)),
        ),
        Picture(
            "dog-on-lawn.webp",
            Camera((0.04, 2.16, 3.89), (0.05, 0.46, 0), 24, (520, 500)),
            LAWN,
            [dog((0.7, 0.5, 0.28), (0.4, 0.25, 0.13), (0.95, 0.92, 0.88), 3)],
            Light((-0.14, 0.82, 0.69)),
        ),
    ]


def save(picture: Picture, folder: Path) -> None:
    """Write a picture in the format its name asks for."""
    image, path = photograph(picture), folder / picture.name
    if picture.quarter_turn:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(path, quality=88, exif=exif)
    elif path.suffix == ".png":
        image.save(path, optimize=True)
    else:
        image.save(path, quality=88)


def main() -> None:
    """Write every picture into the folder images beside this program."""
    folder = Path(__file__).parent / "images"
    folder.mkdir(exist_ok=True)
    for picture in pictures():
        save(picture, folder)
        print(picture.name)


if __name__ == "__main__":
    main()
