"""What the prior of a moderated evaluation may know about an input, observed on one network at a time.

Each function returns raw observations q or features, [kinds, images]; what is made of them (the logarithm
of a standard deviation, say) is decided where the prior is fitted. None needs further training.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lnescape.features import with_features
from lnescape.laws import Law, predict_at
from lnescape.retraining import log_odds
from lnescape.weights import trainable

SHIFTS = ((-3, 0), (3, 0), (0, -3), (0, 3), (-2, -2), (2, 2), (-2, 2), (2, -2))  # pixels: down, right
NOISE = 0.15  # norm of the noise on a filter, in parts of the filter's own norm
RIDGE = 1e-4  # of the mean eigenvalue, added to the second moment of the features


def neighbourhood(
    law: Law, theta: Float[Tensor, " parameters"], images: Tensor, chosen: Int[np.ndarray, " images"]
) -> Float[np.ndarray, "shifts images"]:
    """Give q on each image moved by a few pixels, `SHIFTS`; the border pixel fills what comes in.

    Args:
        law: Tells builder and normalisation.
        theta: One network.
        images: Normalised images.
        chosen: Class of the measurand for each image.

    Returns:
        q in nat, one row for each of the eight shifts. Eight forward passes an image.
    """
    everywhere = torch.cat([moved(images, down, right) for down, right in SHIFTS])  # one refresh of the normalisation
    logp = predict_at(law, iter([theta.unsqueeze(0)]), everywhere, 1)
    return log_odds(logp.cpu().numpy(), np.tile(chosen, len(SHIFTS)))[0].reshape(len(SHIFTS), -1)


def moved(images: Float[Tensor, "images channels height width"], down: int, right: int) -> Tensor:
    """Move images by whole pixels, repeating the border.

    Args:
        images: The images.
        down: Pixels downwards; upwards where negative.
        right: Pixels to the right; to the left where negative.

    Returns:
        Images of the same shape.

    Example:
        >>> moved(torch.arange(4.0).view(1, 1, 2, 2), 1, 0)[0, 0]
        tensor([[0., 1.],
                [0., 1.]])
    """
    height, width = images.shape[2:]
    rows = (torch.arange(height, device=images.device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) - right).clamp(0, width - 1)
    return images[:, :, rows][:, :, :, columns]


def under_noise(
    law: Law,
    theta: Float[Tensor, " parameters"],
    images: Tensor,
    chosen: Int[np.ndarray, " images"],
    *,
    n: int,
    seed: int,
) -> Float[np.ndarray, "draws images"]:
    """Give q under noise on the weights: each filter w_i becomes w_i + 0.15 ‖w_i‖ ε_i/‖ε_i‖, ε_i normal.

    A filter is a row of a weight of two or more dimensions: what makes one unit or channel. Vectors, such as
    biases, stay as they are.

    Args:
        law: Tells builder and normalisation.
        theta: One network.
        images: Normalised images.
        chosen: Class of the measurand for each image.
        n: Draws.
        seed: Seed of the noise.

    Returns:
        q in nat. n forward passes an image, and n refreshes where there is batch normalisation.
    """
    generator, module = torch.Generator().manual_seed(seed), law.module(theta)
    draws = torch.stack([_noisy(module, generator) for _ in range(n)])
    logp = predict_at(law, iter([draws]), images, n)
    return log_odds(logp.cpu().numpy(), chosen)


def _noisy(module: nn.Module, generator: torch.Generator) -> Float[Tensor, " parameters"]:
    parts = []
    for p in trainable(module):
        w = p.detach()
        if w.ndim >= 2:
            noise = torch.randn(w.shape, generator=generator).to(w)
            size = w.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1)
            w = w + NOISE * noise * size.view(-1, *[1] * (w.ndim - 1))
        parts.append(w.flatten())
    return torch.cat(parts)


OUTPUTS = ("log-sum-exp", "spread of the logits", "ln Mahalanobis")


@torch.no_grad()
def outputs(
    law: Law, theta: Float[Tensor, " parameters"], images: Tensor, training_images: Tensor
) -> Float[np.ndarray, "kinds images"]:
    """Give, of one network, ln Σ exp z, the standard deviation of its logits z, and ln φᵀH⁻¹φ of its features φ.

    H = E φφᵀ + 10⁻⁴ (tr E φφᵀ/d) I over the training images, φ the d inputs of the last linear layer.

    Args:
        law: Tells builder and normalisation.
        theta: One network.
        images: Normalised images.
        training_images: Images for H.

    Returns:
        Three rows, in the order of `OUTPUTS`; the last is nan where the network has no linear layer. One forward
        pass an image.
    """
    module = law.module(theta)
    logits, features = with_features(module, images)
    rows = [logits.logsumexp(1), logits.std(1)]
    if features is None:
        return torch.stack([*rows, torch.full_like(rows[0], torch.nan)]).cpu().numpy()
    seen = with_features(module, training_images)[1].double()
    moment = seen.T @ seen / len(seen)
    moment += RIDGE * moment.trace() / len(moment) * torch.eye(len(moment), dtype=moment.dtype, device=moment.device)
    solved = torch.linalg.solve(moment, features.double().T).T
    return torch.stack([*rows, (features * solved).sum(1).log().to(rows[0])]).cpu().numpy()
