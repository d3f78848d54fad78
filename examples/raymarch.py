"""A small signed-distance-field renderer in numpy, used by make_images.py.

A scene is a list of bodies; a body is a list of parts melted together. Lengths are metres, y is
up, and the floor is the plane y = 0. Colours are sRGB triples in 0..1 until they are shaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[np.float32]
Vec = tuple[float, float, float]
Paint = Callable[[Array], Array]

CHUNK_RAYS = 40_000


@dataclass(frozen=True)
class Part:
    """A solid: its distance function, its colour or paint, and how widely it melts into others."""

    distance: Callable[[Array], Array]
    paint: Vec | Paint
    melt_m: float = 0.02
    gloss: float = 0.0


@dataclass
class Body:
    """Parts in their own frame, with the box that holds them all and their place in the scene."""

    parts: list[Part]
    centre: Vec
    half: Vec
    place: Vec = (0.0, 0.0, 0.0)
    yaw_deg: float = 0.0
    scale: float = 1.0
    fur_m: float = 0.0
    nose: Vec = (0.0, 0.0, 0.0)
    turn: Array = field(init=False)

    def __post_init__(self) -> None:
        c, s = np.cos(np.radians(self.yaw_deg)), np.sin(np.radians(self.yaw_deg))
        self.turn = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]], np.float32)

    def local(self, points: Array) -> Array:
        """Scene points in the body's frame."""
        return (points - np.float32(self.place)) @ self.turn.T / np.float32(self.scale)

    def distance(self, points: Array) -> Array:
        """Distance to the melted parts; to the bounding box where that is far enough away."""
        own = self.local(points)
        out = np.maximum(np.abs(own - np.float32(self.centre)) - np.float32(self.half), 0)
        result = np.sqrt(np.einsum("ij,ij->i", out, out)) + np.float32(0.02)
        near = np.flatnonzero(result < 0.24)
        if near.size:
            own = own[near]
            total = self.parts[0].distance(own)
            for part in self.parts[1:]:
                total = melt(total, part.distance(own), part.melt_m)
            result[near] = total
        return result * np.float32(self.scale)

    def surface(self, points: Array) -> tuple[Array, Array]:
        """Colour and gloss of surface points, each taken from the part that is nearest."""
        own = self.local(points)
        nearest = np.argmin([part.distance(own) for part in self.parts], axis=0)
        colour = np.zeros_like(points)
        gloss = np.zeros(len(points), np.float32)
        for index, part in enumerate(self.parts):
            chosen = nearest == index
            paint = part.paint
            colour[chosen] = paint(own[chosen]) if callable(paint) else np.float32(paint)
            gloss[chosen] = part.gloss
        return colour, gloss


def melt(a: Array, b: Array, width_m: float) -> Array:
    """Union of two distances, rounded where they meet."""
    if width_m <= 0:
        return np.minimum(a, b)
    h = np.maximum(np.float32(width_m) - np.abs(a - b), 0) / np.float32(width_m)
    return np.minimum(a, b) - h * h * np.float32(width_m / 4)


def limb(a: Vec, b: Vec, ra: float, rb: float, paint: Vec | Paint, **kw: float) -> Part:
    """A capsule from a to b whose radius runs from ra to rb."""
    start, axis = np.float32(a), np.float32(b) - np.float32(a)
    axis_per_length2 = axis / np.dot(axis, axis)

    def distance(p: Array) -> Array:
        q = p - start
        h = np.clip(q @ axis_per_length2, 0, 1)
        q -= h[:, None] * axis
        return np.sqrt(np.einsum("ij,ij->i", q, q)) - np.float32(ra) - h * np.float32(rb - ra)

    return Part(distance, paint, **kw)


def ball(c: Vec, radii: Vec, paint: Vec | Paint, pitch_deg: float = 0.0, **kw: float) -> Part:
    """An ellipsoid, pitched about x."""
    cos, sin = np.cos(np.radians(pitch_deg)), np.sin(np.radians(pitch_deg))
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) / np.array(radii)[:, None]
    to_unit, to_unit2 = np.float32(turn.T), np.float32((turn / np.array(radii)[:, None]).T)
    centre = np.float32(c)

    def distance(p: Array) -> Array:
        q = p - centre
        u, v = q @ to_unit, q @ to_unit2
        k = np.sqrt(np.einsum("ij,ij->i", u, u)) + np.float32(1e-6)
        return k * (k - 1) / (np.sqrt(np.einsum("ij,ij->i", v, v)) + np.float32(1e-6))

    return Part(distance, paint, **kw)


def box(c: Vec, half: Vec, round_m: float, paint: Vec | Paint, **kw: float) -> Part:
    """A box with rounded edges."""
    centre, inner = np.float32(c), np.float32(half) - np.float32(round_m)

    def distance(p: Array) -> Array:
        q = np.abs(p - centre) - inner
        outside = np.linalg.norm(np.maximum(q, 0), axis=1)
        return outside + np.minimum(q.max(axis=1), 0) - np.float32(round_m)

    return Part(distance, paint, **kw)


def disc(c: Vec, radius_m: float, half_m: float, paint: Vec | Paint, **kw: float) -> Part:
    """A flat cylinder whose axle runs along x."""
    centre = np.float32(c)

    def distance(p: Array) -> Array:
        q = p - centre
        radial = np.hypot(q[:, 1], q[:, 2]) - np.float32(radius_m - 0.02)
        side = np.abs(q[:, 0]) - np.float32(half_m - 0.02)
        corner = np.hypot(np.maximum(radial, 0), np.maximum(side, 0))
        return corner + np.minimum(np.maximum(radial, side), 0) - np.float32(0.02)

    return Part(distance, paint, **kw)


@dataclass
class Camera:
    """A pinhole camera looking from eye to target; size_px is (width, height)."""

    eye: Vec
    target: Vec
    height_deg: float
    size_px: tuple[int, int]

    def axes(self) -> Array:
        """Rows: right, up, forward."""
        forward = np.float32(self.target) - np.float32(self.eye)
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, np.float32([0, 1, 0]))
        right /= np.linalg.norm(right)
        return np.float32([right, np.cross(right, forward), forward])

    def rays(self, per_px: int = 1) -> Array:
        """Unit directions, row by row."""
        width, height = (n * per_px for n in self.size_px)
        tan = np.tan(np.radians(self.height_deg / 2))
        x = ((np.arange(width) + 0.5) * 2 - width) / height * tan
        y = (1 - (np.arange(height) + 0.5) * 2 / height) * tan
        grid = np.stack([*np.meshgrid(x, y), np.ones((height, width))], -1).reshape(-1, 3)
        rays = np.float32(grid) @ self.axes()
        return rays / np.linalg.norm(rays, axis=1, keepdims=True)

    def project(self, points: Array) -> Array:
        """Pixel coordinates (x, y) of scene points."""
        q = (points - np.float32(self.eye)) @ self.axes().T
        scale = self.size_px[1] / 2 / np.tan(np.radians(self.height_deg / 2)) / q[:, 2]
        half = np.float32(self.size_px) / 2
        return np.stack([half[0] + q[:, 0] * scale, half[1] - q[:, 1] * scale], 1)


@dataclass(frozen=True)
class Light:
    """A sun direction with its colour, and the colours from above and below."""

    direction: Vec = (0.45, 0.75, 0.5)
    sun: Vec = (1.0, 0.94, 0.82)
    sky: Vec = (0.42, 0.48, 0.58)
    bounce: Vec = (0.22, 0.2, 0.16)
    softness: float = 0.09


def scene_distance(bodies: Sequence[Body], points: Array) -> Array:
    """Distance to the nearest body."""
    return np.min([body.distance(points) for body in bodies], axis=0)


def shadow(bodies: Sequence[Body], points: Array, light: Light) -> Array:
    """How much of the sun reaches each point, 0..1."""
    way = np.float32(light.direction) / np.linalg.norm(light.direction)
    lit = np.ones(len(points), np.float32)
    t = np.full(len(points), 0.03, np.float32)
    live = np.arange(len(points))
    for _ in range(26):
        d = scene_distance(bodies, points[live] + t[live, None] * way)
        lit[live] = np.minimum(lit[live], np.clip(0.5 + d / (light.softness * 2 * t[live]), 0, 1))
        t[live] += np.clip(d, 0.025, 0.5)
        live = live[(lit[live] > 0.01) & (t[live] < 7)]
        if not live.size:
            break
    return lit * lit * (3 - 2 * lit)


def occlusion(bodies: Sequence[Body], points: Array, normals: Array) -> Array:
    """How open each point lies, 0..1; the floor counts as a surface too."""
    closed = np.zeros(len(points), np.float32)
    for reach_m, weight in ((0.03, 6.0), (0.09, 2.4), (0.22, 1.0)):
        away = points + np.float32(reach_m) * normals
        d = np.minimum(scene_distance(bodies, away), np.maximum(away[:, 1], 0))
        closed += np.float32(weight) * np.maximum(np.float32(reach_m) - d, 0)
    return np.clip(1 - 1.1 * closed, 0.12, 1)


def normals_at(body: Body, points: Array) -> Array:
    """Surface normals by tetrahedral differences."""
    result = np.zeros_like(points)
    for corner in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        step = np.float32(corner)
        result += step * body.distance(points + np.float32(0.0015) * step)[:, None]
    return result / (np.linalg.norm(result, axis=1, keepdims=True) + np.float32(1e-9))


def march(bodies: Sequence[Body], eye: Array, rays: Array) -> tuple[Array, NDArray[np.intp]]:
    """Distance along each ray to the first hit (inf if none) and the body that is hit."""
    start = np.full(len(rays), np.inf, np.float32)
    for body in bodies:
        offset = eye - (
            np.float32(body.place) + np.float32(body.centre) * np.float32(body.scale) @ body.turn
        )
        half_b = rays @ offset
        inside = half_b**2 - (offset @ offset - (np.linalg.norm(body.half) * body.scale) ** 2)
        enter = -half_b - np.sqrt(np.maximum(inside, 0))
        start = np.where(inside > 0, np.minimum(start, np.maximum(enter, 0.05)), start)
    live = np.flatnonzero(np.isfinite(start))
    t, hit = start.copy(), np.full(len(rays), np.inf, np.float32)
    who = np.zeros(len(rays), np.intp)
    for _ in range(90):
        if not live.size:
            break
        points = eye + t[live, None] * rays[live]
        each = np.array([body.distance(points) for body in bodies])
        d = each.min(axis=0)
        done = d < 0.0006 * t[live] / 3
        hit[live[done]] = t[live[done]]
        who[live[done]] = each.argmin(axis=0)[done]
        t[live] += d * np.float32(0.92)
        live = live[~done & (t[live] < start[live] + 14) & (points[:, 1] > -0.1)]
    return hit, who


def shade(
    bodies: Sequence[Body],
    body: Body,
    points: Array,
    rays: Array,
    light: Light,
    colour: Array,
    gloss: Array,
) -> Array:
    """Linear light that leaves a body's surface points towards the eye."""
    albedo = colour ** np.float32(2.2)
    normals = normals_at(body, points)
    way = np.float32(light.direction) / np.linalg.norm(light.direction)
    facing = np.clip((normals @ way + 0.12) / 1.12, 0, 1)
    sun = np.zeros(len(points), np.float32)
    lit = np.flatnonzero(facing)
    lifted = points[lit] + np.float32(0.012) * normals[lit]
    sun[lit] = facing[lit] * shadow(bodies, lifted, light)
    up = normals[:, 1:2] * np.float32(0.5) + np.float32(0.5)
    ambient = np.float32(light.sky) * up + np.float32(light.bounce) * (1 - up)
    result = albedo * (
        ambient * occlusion(bodies, points, normals)[:, None] + sun[:, None] * np.float32(light.sun)
    )
    mirror = rays - 2 * np.einsum("ij,ij->i", rays, normals)[:, None] * normals
    glint = np.clip(mirror @ way, 0, 1) ** 40 * sun + 0.35 * np.clip(mirror[:, 1] * 2, 0, 1)
    rim = 0.25 + 0.75 * (1 - np.clip(-np.einsum("ij,ij->i", rays, normals), 0, 1)) ** 3
    return result + (gloss * glint * rim)[:, None] * np.float32(light.sky)


def render(bodies: Sequence[Body], camera: Camera, light: Light, per_px: int = 2) -> Image.Image:
    """The bodies as seen by the camera, on a clear ground."""
    width, height = (n * per_px for n in camera.size_px)
    rays, eye = camera.rays(per_px), np.float32(camera.eye)
    out = np.zeros((len(rays), 4), np.float32)
    hairs: list[Array] = []
    for first in range(0, len(rays), CHUNK_RAYS):
        part = rays[first : first + CHUNK_RAYS]
        hit, who = march(bodies, eye, part)
        for index, body in enumerate(bodies):
            mine = np.flatnonzero(np.isfinite(hit) & (who == index))
            if mine.size:
                points = eye + hit[mine, None] * part[mine]
                colour, gloss = body.surface(points)
                shaded = shade(bodies, body, points, part[mine], light, colour, gloss)
                out[first + mine, :3], out[first + mine, 3] = shaded, 1
                if body.fur_m:
                    hairs.append(fur(body, points[gloss == 0], shaded[gloss == 0], camera, per_px))
    image = Image.fromarray(to_bytes(out).reshape(height, width, 4))
    pen = ImageDraw.Draw(image)
    for x0, y0, x1, y1, r, g, b in np.concatenate(hairs or [np.zeros((0, 7))]).tolist():
        pen.line((x0, y0, x1, y1), (int(r), int(g), int(b), 255), 1)
    return image.resize(camera.size_px, Image.Resampling.BOX)


def to_bytes(linear: Array) -> NDArray[np.uint8]:
    """Display values of linear light, rolled off towards white; a fourth channel is kept."""
    rolled = np.where(linear > 0.7, 0.7 + 0.3 * np.tanh((linear - 0.7) / 0.3), linear)
    display = np.maximum(rolled, 0) ** (1 / 2.2)
    display[..., 3:] = linear[..., 3:]
    return np.uint8(np.clip(display * 255 + 0.5, 0, 255))


def fur(body: Body, points: Array, shaded: Array, camera: Camera, per_px: int) -> Array:
    """Rows of (x0, y0, x1, y1, r, g, b): hairs combed away from the nose and down."""
    rng = np.random.default_rng(len(points))
    some = rng.permutation(len(points))[: int(len(points) * 0.22)]
    roots = points[some]
    comb = body.local(roots) - np.float32(body.nose)
    reach = np.linalg.norm(comb, axis=1, keepdims=True)
    comb = (comb / reach + np.float32([0, -0.7, 0])) @ body.turn
    comb += rng.normal(0, 0.25, comb.shape)
    length = (
        np.float32(body.fur_m)
        * rng.uniform(0.5, 1.2, (len(some), 1))
        * np.clip(np.minimum(reach / 0.25, 0.12 + 2 * roots[:, 1:2]), 0, 1)
    )
    ends = roots + np.float32(length * comb) + np.float32([0, 0, 0.004])
    tint = to_bytes(np.float32(shaded[some] * rng.uniform(0.72, 1.3, (len(some), 1))))
    return np.hstack([camera.project(roots) * per_px, camera.project(ends) * per_px, tint])


def floor_light(bodies: Sequence[Body], camera: Camera, light: Light) -> Array:
    """Light on the floor as a share of what an open floor gets; 1 above the horizon."""
    rays, eye = camera.rays(), np.float32(camera.eye)
    result = np.ones((len(rays), 3), np.float32)
    down = np.flatnonzero(rays[:, 1] < -0.01)
    points = eye - (eye[1] / rays[down, 1])[:, None] * rays[down]
    near = scene_distance(bodies, points) < 4
    down, points = down[near], points[near]
    way = np.float32(light.direction) / np.linalg.norm(light.direction)
    for first in range(0, len(down), CHUNK_RAYS):
        some = points[first : first + CHUNK_RAYS]
        sun = np.float32(light.sun) * way[1] * shadow(bodies, some, light)[:, None]
        up = np.tile(np.float32([0, 1, 0]), (len(some), 1))
        sky = np.float32(light.sky) * occlusion(bodies, some, up)[:, None]
        open_floor = np.float32(light.sun) * way[1] + np.float32(light.sky)
        result[down[first : first + len(some)]] = (sun + sky) / open_floor
    return result.reshape(camera.size_px[1], camera.size_px[0], 3)


def noise(x: Array, y: Array, seed: int, octaves: int = 4) -> Array:
    """Smooth fractal noise in about -1..1."""
    total, weight = np.zeros(np.broadcast(x, y).shape, np.float32), 0.5
    lattice = np.random.default_rng(seed).uniform(-1, 1, (64, 64)).astype(np.float32)
    for octave in range(octaves):
        u, v = np.asarray(x) * 2**octave + 7.3 * octave, np.asarray(y) * 2**octave + 3.1 * octave
        iu, iv = np.floor(u).astype(int), np.floor(v).astype(int)
        fu, fv = u - iu, v - iv
        fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)
        a, b = lattice[iu % 64, iv % 64], lattice[(iu + 1) % 64, iv % 64]
        c, d = lattice[iu % 64, (iv + 1) % 64], lattice[(iu + 1) % 64, (iv + 1) % 64]
        total += weight * ((a * (1 - fu) + b * fu) * (1 - fv) + (c * (1 - fu) + d * fu) * fv)
        weight /= 2
    return np.float32(total)
