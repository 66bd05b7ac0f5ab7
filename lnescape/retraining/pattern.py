"""Pattern: whether a covariate tells which inputs are uncertain, and the ratio of two variances over inputs."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lnescape.results import Estimate
from lnescape.retraining.fidelity import Reference
from lnescape.retraining.prior import terms_of

N_IMAGE_BLOCKS = 20  # of inputs, left out one at a time


def partial_r_squared(
    base: list[Float[ndarray, "images covariates"]],
    more: list[Float[ndarray, "images covariates"]],
    reference: Reference,
) -> Estimate:
    """Give the share of the variance of ln V_ref over inputs that covariates explain beyond others: partial R².

    (SSE₀ − SSE₁)/SSE₀, each SSE over its residual degrees of freedom, of least squares of ln V_ref on [1, z, z²] of the
    base covariates (0), and of the base and the further ones (1). The noise of V_ref counts as unexplained.

    Args:
        base: For each draw of the reference, covariates of the inputs.
        more: Further covariates.
        reference: The retrainings that judge, and the draws.

    Returns:
        Mean over draws, with the uncertainty from leaving out networks and blocks of inputs; may be negative.
    """
    n = reference.q.shape[1]
    whole = np.ones(n, bool)
    designs = [(terms_of(b), terms_of(np.concatenate([b, m], 1))) for b, m in zip(base, more, strict=True)]

    def mean(k: int, images: ndarray) -> float:
        kept = np.flatnonzero(reference.kept(k))
        y = np.log(reference.variance[k])
        return float(np.mean([_partial(designs[d][0][images], designs[d][1][images], y[d, images]) for d in kept]))

    values = np.array([mean(k, whole) for k in range(len(reference.left_out))])
    blocks = np.array_split(np.random.default_rng(0).permutation(n), N_IMAGE_BLOCKS)
    left = np.array([mean(0, ~np.isin(np.arange(n), block)) for block in blocks])
    of_images = (len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum()
    u = np.hypot(reference.jackknifed(values), np.sqrt(of_images))
    return Estimate(values[0], float(u), dof=reference.dof, n=len(base))


def _partial(x0: ndarray, x1: ndarray, y: ndarray) -> float:
    mean_squares = []
    for x in (x0, x1):
        coefficients, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
        mean_squares.append(((y - x @ coefficients) ** 2).sum() / (len(y) - rank))
    return 1 - mean_squares[1] / mean_squares[0]


def variance_ratio(local: Float[ndarray, "networks images"], reference: Reference) -> Estimate:
    """Give the ratio of the retraining variance to a local variance, Σ V_ref/Σ V_local over inputs.

    Args:
        local: Variance near each network that may play the method, in the order of the first rows of the reference.
        reference: The retrainings.

    Returns:
        The ratio with all retrainings; its uncertainty from leaving out one network, local and reference, at a time.
    """

    def ratio(rows: ndarray) -> float:
        own = rows[rows < len(local)]
        return float(reference.q[rows].var(0, ddof=1).sum() / local[own].mean(0).sum())

    everyone = np.arange(len(reference.q))
    values = np.array([ratio(np.setdiff1d(everyone, gone)) for gone in reference.left_out])
    return Estimate(values[0], float(reference.jackknifed(values)), dof=reference.dof, n=len(local))
