"""What is added to the loss of a subspace: the cosine penalty and the log-volume.

Both have gradients inside the span of the vertices, so that each is a small matrix times the vertices.
"""

import torch
from jaxtyping import Float


def cosine_slope(
    vertices: Float[torch.Tensor, "k parameters"],
    weight: float,
    mask: Float[torch.Tensor, " parameters"],
    stream: torch.Generator,
) -> Float[torch.Tensor, "k parameters"]:
    """Give the gradient of β cos²(v_i, v_j) for a random pair i ≠ j.

    With c = cos(v_i, v_j): ∂c²/∂v_i = 2c (v_j/(‖v_i‖‖v_j‖) − c v_i/‖v_i‖²).

    Args:
        vertices: v_k, [K, P].
        weight: β.
        mask: 1 where a parameter counts in the cosine, 0 elsewhere (biases and gains), [P].
        stream: Draws the pair.

    Returns:
        The gradient [K, P]; zero but for the rows i and j.

    References:
        Wortsman et al. 2021, arXiv 2102.10472, section 3 (who apply it to convolutions only).

    Example:
        >>> v = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
        >>> cosine_slope(v, 1.0, torch.ones(2), torch.Generator())
        tensor([[ 0.0000,  1.0000],
                [ 0.5000, -0.5000]])
    """
    pair = torch.randperm(len(vertices), generator=stream)[:2].to(vertices.device)
    masked = vertices[pair] * mask
    gram = masked @ masked.T
    squares = gram.diagonal().clamp(min=1e-24)
    inverse_norms = squares.prod().rsqrt()
    cosine = gram[0, 1] * inverse_norms
    # Row i: v_j / (‖v_i‖‖v_j‖) off the diagonal, −c v_i / ‖v_i‖² on it.
    matrix = inverse_norms * (1 - torch.eye(2, device=gram.device)) - cosine * torch.diag(1 / squares)
    return torch.zeros_like(vertices).index_copy_(0, pair, (2 * weight * cosine * matrix) @ masked)


def volume_slope(vertices: Float[torch.Tensor, "k parameters"], weight: float) -> Float[torch.Tensor, "k parameters"]:
    """Give the gradient of −λ ln V, V the volume of the simplex that the vertices span.

    ln V = ½ ln det G − ln d!, G = E Eᵀ, rows of E the edges v_{k+1} − v_1. ∂ln V/∂E = G⁻¹ E; the
    gradient of v_1 makes the sum over vertices zero.

    Args:
        vertices: v_k, [K, P].
        weight: λ.

    Returns:
        The gradient [K, P]; edges and G in float64, since a flat simplex has a nearly singular G.

    References:
        Benton et al. 2021, arXiv 2102.13042, section 4.1.

    Example:
        >>> volume_slope(torch.tensor([[0.0], [2.0]]), 1.0)
        tensor([[ 0.5000],
                [-0.5000]])
    """
    edges = vertices[1:].double() - vertices[0].double()
    # cholesky_ex fails on NaN without an exception: the loss is then NaN too, which `descend` reports.
    slope = torch.cholesky_solve(edges, torch.linalg.cholesky_ex(edges @ edges.T).L)
    return (-weight * torch.cat([-slope.sum(0, keepdim=True), slope])).to(vertices)


def complex_volume_slope(
    vertices: Float[torch.Tensor, "k parameters"], weight: float, simplexes: list[list[int]]
) -> Float[torch.Tensor, "k parameters"]:
    """Give the gradient of −λ ln Σ_m V_m, V_m the volumes of several simplexes that share vertices.

    ∇ ln Σ V_m = Σ_m (V_m/Σ V) ∇ ln V_m: a mean over the simplexes, weighted by their volumes.

    Args:
        vertices: All vertices, [K, P].
        weight: λ.
        simplexes: The rows of each simplex.

    Returns:
        The gradient [K, P].

    References:
        Benton et al. 2021, arXiv 2102.13042, section 4.2.

    Example:
        >>> complex_volume_slope(torch.tensor([[0.0], [1.0], [3.0]]), 1.0, [[0, 2], [1, 2]])
        tensor([[ 0.2000],
                [ 0.2000],
                [-0.4000]])
    """
    edges = [vertices[rows[1:]].double() - vertices[rows[0]].double() for rows in simplexes]
    # ln V = ln √det G − ln d!; the factorial is the same for all.
    logs = torch.stack([torch.linalg.cholesky_ex(e @ e.T).L.diagonal().log().sum() for e in edges])
    slope = torch.zeros_like(vertices)
    for rows, share in zip(simplexes, logs.softmax(0).tolist(), strict=True):
        slope[rows] += volume_slope(vertices[rows], share * weight)
    return slope
