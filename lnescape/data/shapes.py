"""Drawn shapes: small colour images that stand in where photographs cannot be had.

Ten outlines, each with one of ten fillings, at random place, size, angle and colours, over a graded background with a
distracting bar, under noise. Ten classes are the outlines (the filling is then a nuisance); a hundred classes are the
pairs. They aren't photographs: a network that does well here has shown nothing about CIFAR, and the title of the data
set says so.

Everything per pixel is addition, multiplication, square root and comparison in float64, rounded to uint8 at the end,
and every draw comes from numpy's ``RandomState``, whose stream is frozen: the same images come out on every machine.
"""

import numpy as np

OUTLINES = (
    "disc", "ellipse", "half-disc", "crescent", "triangle",
    "square", "pentagon", "hexagon", "star", "cross",
)  # fmt: skip
FILLINGS = (
    "plain", "hollow", "striped", "finely striped", "chequered",
    "dotted", "halved", "graded", "ringed", "crossed",
)  # fmt: skip
SIDE = 32  # pixels

_CHUNK = 200  # images drawn at once: 5 MB an array


def draw(n_images: int, *, seed: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 images [n, 3, side, side] and labels 0 to 99, ten times the outline's number plus the filling's."""
    random = np.random.RandomState(seed)
    labels = random.permutation(np.arange(n_images) % 100).astype(np.int64)
    images = np.empty((n_images, 3, side, side), np.uint8)
    for start in range(0, n_images, _CHUNK):
        part = labels[start : start + _CHUNK]
        images[start : start + len(part)] = _draw_chunk(part, random, side)
    return images, labels


def _draw_chunk(labels: np.ndarray, random: np.random.RandomState, side: int) -> np.ndarray:
    """Draw one image per label, pixels [n, 3, side, side]."""
    n = len(labels)
    pixel = SIDE / side  # every length below is in pixels of the 32×32 image
    axis = (np.arange(side) + 0.5) * pixel - SIDE / 2
    down, right = axis[:, None], axis[None, :]  # a column and a row: whole pictures only where both meet
    x, y, size = _place(right, down, random, n)
    distance, second = np.empty_like(x), np.empty_like(x)
    for number in range(10):
        outlined, filled = labels // 10 == number, labels % 10 == number
        distance[outlined] = _OUTLINE_DISTANCES[number](x[outlined], y[outlined])
        second[filled] = _FILLING_SHARES[number](x[filled], y[filled])
    distance *= size
    inside = np.clip(0.5 - distance / pixel, 0, 1)
    hollow = np.clip(0.5 + (distance + 2.2) / pixel, 0, 1)  # a rim 2.2 pixels wide
    inside = np.where((labels % 10 == 1)[:, None, None], inside * hollow, inside)

    ground, first_colour, second_colour = _colours(random, n)
    canvas = _ground(ground, right, down, random)
    ink = (second_colour - first_colour) * second[:, None]
    ink += first_colour
    ink -= canvas
    ink *= inside[:, None]
    canvas += ink
    # two uniform bytes make a triangular draw of mean 0: whole numbers, so no rounding differs
    dice = random.randint(0, 256, size=(2, n, 3, side, side), dtype=np.uint8).astype(np.int16)
    amount = random.uniform(0.04, 0.19, size=(n, 1, 1, 1))
    canvas += amount * (dice[0] + dice[1] - 255)
    np.rint(canvas, out=canvas)
    return np.clip(canvas, 0, 255, out=canvas).astype(np.uint8)


def _place(
    right: np.ndarray, down: np.ndarray, random: np.random.RandomState, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coordinates in the frame of the shape (its radius 1) and the radius in pixels."""
    size = random.uniform(6.5, 13.5, size=(n, 1, 1))
    room = 15.0 - size * 0.8  # a corner may leave the picture
    centre_x = random.uniform(-1, 1, size=(n, 1, 1)) * room
    centre_y = random.uniform(-1, 1, size=(n, 1, 1)) * room
    angle = random.uniform(0, 2 * np.pi, size=(n, 1, 1))
    stretch = random.uniform(0.85, 1.18, size=(n, 1, 1))
    cosine, sine = np.cos(angle), np.sin(angle)
    u, v = right - centre_x, down - centre_y
    x = (u * cosine + v * sine) / (size * stretch)
    y = (v * cosine - u * sine) / size * stretch
    return x, y, size


def _half_planes(x: np.ndarray, y: np.ndarray, n_sides: int) -> np.ndarray:
    """Return the signed heights over the sides' directions, [n_sides, ...]."""
    angles = 2 * np.pi * np.arange(n_sides) / n_sides
    return np.stack([x * np.cos(a) + y * np.sin(a) for a in angles])


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the signed distance to a pentagram."""
    # a pentagram is where at most one of the five half-planes is left
    return np.sort(_half_planes(x, y, 5), axis=0)[-2] - 0.38


def _cross(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the signed distance to a cross of two bars."""
    x, y = np.abs(x), np.abs(y)
    return np.minimum(np.maximum(x - 1.0, y - 0.33), np.maximum(x - 0.33, y - 1.0))


def _disc(x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    """Return the signed distance to a circle."""
    return np.sqrt(x * x + y * y) - radius


# signed distance to the outline, negative inside, in units of the shape's radius; all of about
# the same area, so that size does not distinguish them
_OUTLINE_DISTANCES = (
    lambda x, y: _disc(x, y, 0.85),
    lambda x, y: (np.sqrt((x / 1.15) ** 2 + (y / 0.62) ** 2) - 1.0) * 0.7,
    lambda x, y: np.maximum(_disc(x, y + 0.4, 1.05), -(y + 0.4)),
    lambda x, y: np.maximum(_disc(x, y, 1.0), -_disc(x - 0.55, y, 0.75)),
    lambda x, y: _half_planes(x, y, 3).max(axis=0) - 0.55,
    lambda x, y: _half_planes(x, y, 4).max(axis=0) - 0.74,
    lambda x, y: _half_planes(x, y, 5).max(axis=0) - 0.77,
    lambda x, y: _half_planes(x, y, 6).max(axis=0) - 0.80,
    _star,
    _cross,
)


def _wave(position: np.ndarray, period: float) -> np.ndarray:
    """Return soft stripes: 0 and 1 in turn, with edges about a pixel wide."""
    phase = position / period
    saw = np.abs(phase - np.floor(phase) - 0.5) * 4 - 1  # triangle wave between -1 and 1
    return np.clip(0.5 + 1.5 * saw, 0, 1)


# share of the second colour, 0 to 1, in the frame of the shape
_FILLING_SHARES = (
    lambda x, y: np.zeros_like(x),
    lambda x, y: np.zeros_like(x),
    lambda x, y: _wave(x, 0.8),
    lambda x, y: _wave(x, 0.45),
    lambda x, y: _wave(x, 0.9) + _wave(y, 0.9) - 2 * _wave(x, 0.9) * _wave(y, 0.9),
    lambda x, y: _wave(x, 0.7) * _wave(y, 0.7),
    lambda x, y: np.clip(0.5 + 6 * x, 0, 1),
    lambda x, y: np.clip(0.5 + 0.6 * x, 0, 1),
    lambda x, y: _wave(np.sqrt(x * x + y * y), 0.6),
    lambda x, y: np.clip(2.5 - 8 * np.minimum(np.abs(x), np.abs(y)), 0, 1),
)


def _colours(random: np.random.RandomState, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the ground's and both inks' colours, [n, 3, 1, 1] each, about 0 to 255."""
    ground = random.uniform(85, 170, size=(n, 3, 1, 1))
    side = random.randint(0, 2, size=(n, 1, 1, 1)) * 2 - 1  # both inks lighter, or both darker
    near = ground + side * random.uniform(30, 60, size=(n, 3, 1, 1))
    far = ground + side * random.uniform(80, 120, size=(n, 3, 1, 1))
    first_is_near = random.randint(0, 2, size=(n, 1, 1, 1)) == 1
    return ground, np.where(first_is_near, near, far), np.where(first_is_near, far, near)


def _ground(colour: np.ndarray, right: np.ndarray, down: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Return the background: a colour graded across the image, with a bar unrelated to the class."""
    n = len(colour)
    slope = random.uniform(-1.0, 1.0, size=(2, n, 3, 1, 1))  # grey levels per pixel
    canvas = colour + slope[0] * right + slope[1] * down
    angle = random.uniform(0, 2 * np.pi, size=(n, 1, 1))
    offset = random.uniform(-12, 12, size=(n, 1, 1))
    width = random.uniform(0.7, 2.0, size=(n, 1, 1))
    bar = np.abs(right * np.cos(angle) + down * np.sin(angle) - offset) - width
    shade = random.uniform(-30, 30, size=(n, 3, 1, 1))
    return canvas + np.clip(0.5 - bar, 0, 1)[:, None] * shade
