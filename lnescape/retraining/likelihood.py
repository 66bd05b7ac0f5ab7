"""The two likelihoods of the prior: of its regression, and of its degrees of freedom."""

import numpy as np
from numpy import ndarray


def quasi_likelihood(
    variance: ndarray, dof: float, x: ndarray, *, weight: float, tau: ndarray
) -> tuple[ndarray, float]:
    """Maximise the shrunk gamma quasi-likelihood w Σ (ν/2)(−s²/μ − ln μ) − Σ b²/(2τ²), ln μ = X b.

    By Fisher's scoring: the expected curvature, (ν/2) w XᵀX + 1/τ², is the same at each step and inverted once.

    Args:
        variance: s² of each input.
        dof: ν.
        x: Terms, [images, terms].
        weight: w, how much one input counts.
        tau: Standard deviation of the normal prior on each coefficient; ∞ for none.

    Returns:
        b, and how many coefficients the data decide: the trace of the likelihood's share of the curvature.
    """
    weight = weight * dof / 2
    penalty = tau**-2.0
    information = weight * x.T @ x
    curvature = information + np.diag(penalty)
    # A trace of the identity, for covariates that are equal or constant.
    solve = np.linalg.pinv(curvature, hermitian=True)
    b = np.zeros(x.shape[1])
    b[0] = np.log(variance.mean())

    def value(b: ndarray) -> float:
        eta = x @ b
        return float(weight * (-variance * np.exp(-eta) - eta).sum() - (penalty * b**2).sum() / 2)

    now = value(b)
    for _ in range(200):
        step = solve @ (weight * x.T @ (variance * np.exp(-x @ b) - 1) - penalty * b)
        size = 1.0
        while (then := value(b + size * step)) < now and size > 1e-6:
            size /= 2
        b, gained, now = b + size * step, then - now, then
        if gained < 1e-9 * max(abs(now), 1.0):
            break
    return b, float(np.trace(solve @ information))


def profile(ratio: ndarray, dof: float, d: ndarray) -> tuple[ndarray, ndarray]:
    """Give, for each d, the ln c that maximises the likelihood of ratio/c ~ F(ν, d), and that log-likelihood.

    Args:
        ratio: s²/s₀², c still free.
        dof: ν.
        d: Values of d₀.

    Returns:
        ln c and log-likelihood (less what depends on neither), one of each for each d.
    """
    from scipy.special import gammaln

    d, x = d[:, None], ratio[None]
    log_c = np.full((len(d), 1), np.log(ratio.mean()))
    for _ in range(100):  # fixed point of the score: mean of (ν + d) y/(d + ν y) = 1, y = ratio/c
        y = x * np.exp(-log_c)
        score = ((dof + d) * y / (d + dof * y)).mean(1, keepdims=True)
        curvature = ((dof + d) * y * d / (d + dof * y) ** 2).mean(1, keepdims=True)
        step = (score - 1) / curvature
        log_c += np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-8:
            break
    y = x * np.exp(-log_c)
    # Less (ν/2 − 1) Σ ln ratio, which depends on neither c nor d and would be infinite where two networks agree.
    constant = gammaln((dof + d) / 2) - gammaln(d / 2) + dof / 2 * np.log(dof / d) - dof / 2 * log_c
    terms = constant[:, 0] * len(ratio) - ((dof + d) / 2 * np.log1p(dof * y / d)).sum(1)
    return log_c[:, 0], terms
