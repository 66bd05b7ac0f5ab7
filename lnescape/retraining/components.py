"""Components of the variance over retrainings: initialisation, order of the images, what a trunk fixes."""

from jaxtyping import Float
from numpy import ndarray


def crossed_components(q: Float[ndarray, "initialisations orders images"]) -> dict[str, Float[ndarray, " images"]]:
    """Split the variance of a crossed design, one retraining in each cell.

    q_ij = μ + A_i + B_j + AB_ij;  E MS_A = σ_AB² + J σ_A²,  E MS_B = σ_AB² + I σ_B²,  E MS_AB = σ_AB².
    The interaction holds what arithmetic adds.

    Args:
        q: What the networks say, in nat; at least two initialisations and orders.

    Returns:
        Unbiased estimates of "initialisation", "order" and "interaction" for each image, nat²; the first two may
        be negative by chance.

    References:
        Searle, Casella & McCulloch 1992, *Variance Components*, section 4.6.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> q = 2 * rng.normal(size=(30, 1, 400)) + rng.normal(size=(1, 30, 400)) + 0.5 * rng.normal(size=(30, 30, 400))
        >>> {name: round(float(value.mean()), 2) for name, value in crossed_components(q).items()}
        {'initialisation': 3.99, 'order': 0.98, 'interaction': 0.25}
    """
    n_first, n_order = q.shape[:2]
    rows, columns, mean = q.mean(1, keepdims=True), q.mean(0, keepdims=True), q.mean((0, 1), keepdims=True)
    ms_first = n_order * ((rows - mean) ** 2).sum((0, 1)) / (n_first - 1)
    ms_order = n_first * ((columns - mean) ** 2).sum((0, 1)) / (n_order - 1)
    ms_both = ((q - rows - columns + mean) ** 2).sum((0, 1)) / ((n_first - 1) * (n_order - 1))
    first, order = (ms_first - ms_both) / n_order, (ms_order - ms_both) / n_first
    return {"initialisation": first, "order": order, "interaction": ms_both}


def nested_components(q: Float[ndarray, "trunks branches images"]) -> dict[str, Float[ndarray, " images"]]:
    """Split the variance of branches that leave trunks.

    q_mj = μ + B_m + W_mj;  E MS_B = n σ_B² + σ_W²,  E MS_W = σ_W².

    Args:
        q: What the branches say, in nat; at least two trunks, and two branches n from each.

    Returns:
        Unbiased estimates of "trunk", σ_B², and "branch", σ_W², for each image, nat²; the first may be negative by
        chance.

    References:
        JCGM 100:2008 (GUM), annex H.5 (analysis of variance).

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> q = 2 * rng.normal(size=(30, 1, 400)) + rng.normal(size=(30, 5, 400))
        >>> {name: round(float(value.mean()), 2) for name, value in nested_components(q).items()}
        {'trunk': 4.01, 'branch': 0.99}
    """
    n_branches = q.shape[1]
    within = q.var(1, ddof=1).mean(0)
    between = n_branches * q.mean(1).var(0, ddof=1)
    return {"trunk": (between - within) / n_branches, "branch": within}
