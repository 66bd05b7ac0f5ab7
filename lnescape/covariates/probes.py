"""What one trained network shows of an input without further training: raw observations.

Each function returns q or features, [kinds, images]; what is made of them (the logarithm of a standard deviation,
say) is decided in `groups`.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lnescape.engines import engine_for
from lnescape.laws import Law, predict_at
from lnescape.laws.law import CHUNK
from lnescape.retraining import Measurand, log_odds
from lnescape.training.streams import generator
from lnescape.weights import trainable, with_features

SHIFTS = ((-3, 0), (3, 0), (0, -3), (0, 3), (-2, -2), (2, 2), (-2, 2), (2, -2))  # pixels: down, right
NOISE = 0.15  # norm of the noise on a filter, in parts of the filter's own norm
N_OTHERS = 3  # other classes whose log-odds are observed beside those of the chosen class
TINY = 1e-12  # least φᵀH⁻¹φ: features may all be zero
RIDGE = 1e-4  # of the mean eigenvalue, added to the second moment of the features


def neighbourhood(
    law: Law,
    theta: Float[Tensor, " parameters"],
    images: Tensor,
    chosen: Int[np.ndarray, " images"],
    *,
    measurand: Measurand = log_odds,
) -> Float[np.ndarray, "shifts images"]:
    """Give q on each image moved by a few pixels, `SHIFTS`; the border pixel fills what comes in.

    Args:
        law: Tells builder and normalisation.
        theta: One network.
        images: Normalised images.
        chosen: Class of the measurand for each image.
        measurand: From log-probabilities and classes to q.

    Returns:
        q in nat, one row for each of the eight shifts. Eight forward passes an image.
    """
    # Images at a time: as many as bounded memory holds where each call refreshes the normalisation, else as few as stay
    # in the cache.
    size = max(1, CHUNK // (len(SHIFTS) * images[0].numel())) if law.normalisation_images is not None else 500
    rows = []
    for part, classes in zip(images.split(size), np.split(chosen, range(size, len(chosen), size)), strict=True):
        everywhere = moved(part, SHIFTS).flatten(0, 1)  # one refresh of the normalisation
        logp = predict_at(law, iter([theta.unsqueeze(0)]), everywhere, 1)
        rows.append(measurand(logp.cpu().numpy(), np.tile(classes, len(SHIFTS)))[0].reshape(len(SHIFTS), -1))
    return np.concatenate(rows, 1)


def moved(
    images: Float[Tensor, "images channels height width"], shifts: Sequence[tuple[int, int]]
) -> Float[Tensor, "shifts images channels height width"]:
    """Move images by whole pixels, repeating the border.

    Args:
        images: The images.
        shifts: Pixels (down, right); upwards and to the left where negative.

    Returns:
        All images under each shift.

    Example:
        >>> moved(torch.arange(4.0).view(1, 1, 2, 2), [(1, 0)])[0, 0, 0]
        tensor([[0., 1.],
                [0., 1.]])
    """
    far, (height, width) = max(abs(step) for shift in shifts for step in shift), images.shape[2:]
    wider = torch.nn.functional.pad(images, (far, far, far, far), mode="replicate")
    corners = [(far - down, far - right) for down, right in shifts]
    return torch.stack([wider[:, :, top : top + height, left : left + width] for top, left in corners])


def under_noise(
    law: Law,
    theta: Float[Tensor, " parameters"],
    images: Tensor,
    chosen: Int[np.ndarray, " images"],
    *,
    n: int,
    seed: int,
    measurand: Measurand = log_odds,
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
        seed: Of the network; the noise has a stream of its own under it.
        measurand: From log-probabilities and classes to q.

    Returns:
        q in nat. n forward passes an image, and n refreshes where there is batch normalisation.
    """
    stream, module = generator(seed, 0, "weight noise"), law.module(theta)
    draws = torch.stack([_noisy(module, stream) for _ in range(n)])
    logp = predict_at(law, iter([draws]), images, n)
    return measurand(logp.cpu().numpy(), chosen)


def _noisy(module: nn.Module, stream: torch.Generator) -> Float[Tensor, " parameters"]:
    parts = []
    for p in trainable(module):
        w = p.detach()
        if w.ndim >= 2:
            noise = torch.randn(w.shape, generator=stream).to(w)
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
        Three rows, in the order of `OUTPUTS`; the last is nan where the network has no linear layer, or one that
        reads more than one vector an image. One forward pass an image.
    """
    module = law.module(theta)
    logits, features = with_features(module, images)
    rows = [logits.logsumexp(1), logits.std(1)]
    if features is None or features.ndim > 2:
        return torch.stack([*rows, torch.full_like(rows[0], torch.nan)]).cpu().numpy()
    seen = with_features(module, training_images)[1].double()
    moment = seen.T @ seen / len(seen)
    moment += RIDGE * moment.trace() / len(moment) * torch.eye(len(moment), dtype=moment.dtype, device=moment.device)
    solved = torch.linalg.solve(moment, features.double().T).T
    return torch.stack([*rows, (features * solved).sum(1).clamp_min(TINY).log().to(rows[0])]).cpu().numpy()


def companions(
    chosen: Int[np.ndarray, " images"], n_classes: int, n: int = N_OTHERS
) -> Int[np.ndarray, "others images"]:
    """Name other classes to be observed beside the chosen one: the next ones in the order of the classes.

    They are fixed by the chosen class alone, so that they are the same for every network.

    Args:
        chosen: Class c of the measurand for each image.
        n_classes: Number of classes.
        n: How many others; fewer where there aren't so many.

    Returns:
        Classes c + 1, c + 2, … modulo the number of classes; none for two classes, where p and 1 − p say the same.

    Example:
        >>> companions(np.array([8]), 10).ravel()
        array([9, 0, 1])
    """
    n = min(n, n_classes - 1) if n_classes > 2 else 0
    return (np.asarray(chosen)[None] + np.arange(1, n + 1)[:, None]) % n_classes


def other_classes(
    logp: Float[np.ndarray, "networks images classes"], chosen: Int[np.ndarray, " images"]
) -> Float[np.ndarray, "networks others images"]:
    """Give the log-odds of other classes than the chosen one, those of `companions`.

    Args:
        logp: Log-probabilities in nat.
        chosen: Class of the measurand for each image.

    Returns:
        Log-odds in nat. No pass of its own: the predictions hold them.
    """
    others = companions(chosen, logp.shape[2])
    if not len(others):
        return np.empty((len(logp), 0, logp.shape[1]))
    return np.stack([log_odds(logp, own) for own in others], 1)


def gradient_noise(law: Law, theta: Float[Tensor, " parameters"], data, *, recipe, n: int = 20) -> tuple[float, float]:
    """Give the training loss at θ and how far the gradients of batches scatter: what drives bursts.

    E‖g_b − ḡ‖², over n batches that share no image.

    Args:
        law: Tells the builder.
        theta: One network.
        data: The data set; the first n batches of its training images are used, or as many as there are.
        recipe: Size of a batch, and the loss.
        n: Batches, ≥ 2.

    Returns:
        Loss in nat; scatter in nat² per unit of weight².
    """
    engine = engine_for(law.net, device=theta.device)
    losses, gradients = [], []
    for b in range(min(n, len(data.train) // recipe.batch)):
        rows = slice(b * recipe.batch, (b + 1) * recipe.batch)
        batch = (data.train.images[rows].unsqueeze(0), data.train.labels[rows].unsqueeze(0))
        loss, gradient = engine.loss_and_gradient(theta.unsqueeze(0), *batch, recipe.loss)
        losses.append(float(loss))
        gradients.append(gradient.flatten().clone())
    scatter = torch.stack(gradients).var(0, unbiased=True).sum()
    return float(np.mean(losses)), float(scatter)
