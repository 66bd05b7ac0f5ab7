"""What is added to the loss of a subspace: the cosine penalty and the log-volume.

Both have gradients inside the span of the vertices.
"""

from collections.abc import Sequence

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


class GrowingVolume:
    """−λ ln Σ_m V_m as a function of the vertex that is being grown, the last of several simplexes that share it.

    V_m is the volume of the simplex's frozen part times the height h_m = ‖r_m‖ of the new vertex u above it, over d;
    r_m = (I − Q_m Q_mᵀ)(u − w_m), Q_m an orthonormal basis of the frozen edges. So ∂ ln V_m/∂u = r_m/h_m², and the
    gradient of the logarithm of the sum is the mean over m, weighted by the volumes. For a single simplex it is r/h².

    The bases are computed once, and all in float64: a flat simplex has a height far below its edges.

    Args:
        frozen: The frozen vertices of each simplex, [K − 1, P] each; all simplexes of one dimension.
        weight: λ.

    References:
        Benton et al. 2021, arXiv 2102.13042, sections 4.1 and 4.2.

    Example:
        >>> growing = GrowingVolume([torch.tensor([[0.0, 0.0], [1.0, 0.0]])], 1.0)
        >>> growing.slope(torch.tensor([0.3, 2.0]))  # the height is 2: −1/2 upwards
        tensor([-0.0000, -0.5000])
    """

    def __init__(self, frozen: Sequence[Float[torch.Tensor, "vertices parameters"]], weight: float):
        self.weight = weight
        self.origins = [vertices[0] for vertices in frozen]
        factors = [torch.linalg.qr((v[1:].double() - v[0].double()).T) for v in frozen]
        self.bases = [factor.Q for factor in factors]
        logs = [factor.R.diagonal().abs().log().sum() for factor in factors]
        self.log_volumes = torch.stack(logs)  # of the frozen parts, but for a factor that all share

    def slope(self, vertex: Float[torch.Tensor, " parameters"]) -> Float[torch.Tensor, " parameters"]:
        """Give the gradient of −λ ln Σ_m V_m with respect to the new vertex, [P]."""
        heights = []
        for origin, basis in zip(self.origins, self.bases, strict=True):
            edge = (vertex - origin).double()
            heights.append(edge - basis @ (basis.T @ edge))
        squares = torch.stack([r @ r for r in heights])
        shares = (self.log_volumes + 0.5 * squares.log()).softmax(0) / squares
        slope = sum(share * r for share, r in zip(shares, heights, strict=True))
        return (-self.weight * slope).to(vertex)
