"""A network of another kind, which judges the method: attention over the patches of an image."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lnescape.data import Dataset
from lnescape.data.splits import PARTS
from report.studies.small import first_images

WIDTH, DEPTH, HEADS = 64, 2, 4  # numbers in a token, blocks, heads of each
SIZES = dict(zip(PARTS, (50_000, 500, 1200, 1000), strict=True))  # of each part, the first images


def fashion() -> Dataset:
    """Return FashionMNIST as a user's data set, with few images to judge on."""
    return first_images("fashion_mnist", SIZES)


class Block(nn.Module):
    """Attention between all tokens, then a perceptron on each; both are added to what came in."""

    def __init__(self):
        """Make the two parts, each with its normalisation."""
        super().__init__()
        self.before_mixing, self.before_perceptron = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.mixing, self.mixed = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.perceptron = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, tokens: Tensor) -> Tensor:
        """Change [images, tokens, width]."""
        n, t, _ = tokens.shape
        query, key, value = self.mixing(self.before_mixing(tokens)).view(n, t, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(n, t, WIDTH)
        tokens = tokens + self.mixed(seen)
        return tokens + self.perceptron(self.before_perceptron(tokens))


class Attention(nn.Module):
    """Classify an image by attention over its patches of pixels, as in Dosovitskiy et al. 2021, arXiv 2010.11929."""

    def __init__(self, shape: tuple[int, ...], n_classes: int, *, patch: int = 7):
        """Make patches of `patch` pixels a side, and the blocks."""
        super().__init__()
        channels, height, breadth = shape
        self.patch = patch
        n_tokens = (height // patch) * (breadth // patch)
        self.embedding = nn.Linear(channels * patch * patch, WIDTH)
        self.place = nn.Parameter(0.02 * torch.randn(n_tokens, WIDTH))
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [images, classes]."""
        patches = F.unfold(images, self.patch, stride=self.patch).transpose(1, 2)
        tokens = self.blocks(self.embedding(patches) + self.place)
        return self.head(self.norm(tokens).mean(1))


def attention(shape: tuple[int, ...], n_classes: int, **options: int) -> nn.Module:
    """Make one network; a cell names this function."""
    return Attention(shape, n_classes, **options)


class FixedMixing(Block):
    """A block in which a learned matrix, the same for all images, mixes the tokens in place of attention."""

    def __init__(self):
        """Make the parts of `Block`, with a matrix for sixteen tokens."""
        super().__init__()
        self.mixing = nn.Linear(16, 16)

    def forward(self, tokens: Tensor) -> Tensor:
        """Change [images, tokens, width]."""
        mixed = self.mixing(self.before_mixing(tokens).transpose(1, 2)).transpose(1, 2)
        tokens = tokens + self.mixed(mixed)
        return tokens + self.perceptron(self.before_perceptron(tokens))


def mixer(shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Make the attention network with fixed mixing, as in Tolstikhin et al. 2021, arXiv 2105.01601."""
    network = Attention(shape, n_classes)
    network.blocks = nn.Sequential(*(FixedMixing() for _ in range(DEPTH)))
    return network
