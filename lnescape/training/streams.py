"""Random streams: every use of chance in a training has a seed of its own."""

from functools import lru_cache

import torch


@lru_cache(maxsize=4096)
def stream_seed(seed: int, epoch: int, purpose: str) -> int:
    """Derive the seed of one random stream, such as the order of the images in one epoch.

    The streams of a training are independent of each other, and each epoch has its own, so that a
    training that was killed goes on from an epoch's end as if nothing had happened.

    Args:
        seed: The seed of the training.
        epoch: Number of the epoch.
        purpose: What the numbers are for; another word gives another stream.

    Returns:
        A seed for `torch.Generator`.

    Example:
        >>> stream_seed(0, 0, "order") == stream_seed(0, 0, "order") != stream_seed(0, 1, "order")
        True
    """
    import numpy as np

    words = np.random.SeedSequence([seed, epoch, *purpose.encode()]).generate_state(2)
    return int(words[0]) << 16 ^ int(words[1])


def generator(seed: int, epoch: int, purpose: str) -> torch.Generator:
    """Make the CPU generator of one random stream; see `stream_seed`."""
    return torch.Generator().manual_seed(stream_seed(seed, epoch, purpose))
