"""Geometry: coefficients, ends, lengths, volumes."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid

from lnescape.subspaces import Bezier, PolyChain, Segment, Simplex


@pytest.fixture
def ends():
    return torch.randn(2, 1000, generator=torch.Generator().manual_seed(0))


def curved(kind, ends):
    curve = kind.between(*ends, n_control=2)
    noise = torch.randn(2, 1000, generator=torch.Generator().manual_seed(1))
    return curve.with_vertices(torch.cat([curve.vertices[:1], curve.vertices[1:3] + noise, curve.vertices[3:]]))


@pytest.mark.parametrize("kind", [PolyChain, Bezier])
def test_ends_are_the_given_networks_bit_for_bit(kind, ends):
    curve = curved(kind, ends)
    assert torch.equal(curve.at(0.0), ends[0])
    assert torch.equal(curve.at(1.0), ends[1])
    assert torch.equal(Segment.between(*ends).at(1.0), ends[1])


def test_ends_keep_the_sign_of_zero():
    ends = torch.tensor([[-0.0, 1.0], [2.0, -0.0]])
    for curve in (Segment.between(*ends), Bezier.between(*ends), PolyChain.between(*ends, n_control=2)):
        for t, end in enumerate(ends):
            assert torch.equal(curve.at(float(t)).view(torch.int32), end.view(torch.int32))


def test_the_middle_of_a_simplex_is_the_mean_of_its_vertices():
    vertices = torch.randn(4, 30, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Simplex(vertices, 4).midpoint(), vertices.mean(0))


@pytest.mark.parametrize("kind", [PolyChain, Bezier])
def test_reversed_curve_is_the_same_curve(kind, ends):
    curve, t = curved(kind, ends), torch.linspace(0, 1, 11)
    torch.testing.assert_close(curve.with_vertices(curve.vertices.flip(0)).at(t), curve.at(1 - t), rtol=0, atol=1e-6)


def test_coefficients_are_convex(ends):
    stream = torch.Generator().manual_seed(0)
    for subspace in (curved(Bezier, ends), curved(PolyChain, ends), Segment.between(*ends), Simplex.from_scratch(5)):
        a = subspace.draw(1000, stream)
        assert (a >= 0).all()
        torch.testing.assert_close(a.sum(1), torch.ones(1000), rtol=0, atol=1e-6)


def test_bezier_is_de_casteljau(ends):
    curve, t = curved(Bezier, ends), 0.3
    points = curve.vertices.double()
    while len(points) > 1:
        points = (1 - t) * points[:-1] + t * points[1:]
    torch.testing.assert_close(curve.at(t).double(), points[0], rtol=0, atol=1e-5)


def test_simplex_is_drawn_uniformly():
    # Under Dirichlet(1, 1, 1, 1) a coefficient has mean 1/4 and variance 3/80. Tolerance: 5 standard errors of
    # n = 40 000 draws, so a sound generator fails once in a million seeds.
    a = Simplex.from_scratch(4).draw(40_000, torch.Generator().manual_seed(0)).double()
    error = math.sqrt(3 / 80 / 40_000)
    assert (a.mean(0) - 0.25).abs().max() < 5 * error
    assert abs(a.var() - 3 / 80) < 5 * 3 / 80 * math.sqrt(2 / 40_000)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_log_volume_of_unit_vectors_is_that_of_the_corner_simplex(dimension):
    # 0, e₁ … e_d: V = 1/d!
    corner = torch.cat([torch.zeros(1, 50), torch.eye(50)[:dimension]])
    assert Simplex(corner, dimension + 1).log_volume() == pytest.approx(-math.lgamma(dimension + 1), abs=1e-12)


@pytest.mark.parametrize("height", [1e-4, 1.0, 10.0])
def test_log_volume_of_a_flat_triangle_in_many_dimensions(height):
    # base 1, height h, in 200 000 dimensions and turned out of the axes: V = h/2
    base, side = torch.nn.functional.normalize(torch.randn(2, 200_000, generator=torch.Generator().manual_seed(3)))
    side = torch.nn.functional.normalize(side - torch.dot(side.double(), base.double()).float() * base, dim=0)
    triangle = torch.stack([torch.zeros(200_000), base, 0.5 * base + height * side])
    assert Simplex(triangle, 3).log_volume() == pytest.approx(math.log(height / 2), abs=1e-5)


def test_length_of_a_parabola_against_quadrature():
    # γ(t) = (2t(1−t)·0 + t², 2t(1−t)): the Bézier curve with vertices (0,0), (0,1), (1,0)
    curve = Bezier(torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), 3)
    t = np.linspace(0, 1, 100_001)
    speed = np.hypot(2 * t, 2 - 4 * t)
    assert curve.length(n=2000) == pytest.approx(trapezoid(speed, t), rel=1e-6)


def test_wrong_geometry_is_refused(as_users_do, ends):
    with pytest.raises(ValueError, match="same builder"):
        Bezier.between(ends[0], ends[1][:5])
    with pytest.raises(ValueError, match="between 0 and 1"):
        Segment.between(*ends).at(1.2)
    with pytest.raises(ValueError, match="NaN"):
        Segment.between(ends[0], ends[1] * torch.nan)
    with pytest.raises(ValueError, match="no vertices yet"):
        Simplex.from_scratch(3).midpoint()
