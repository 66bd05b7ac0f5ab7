"""A network whose building ends the process, as a lack of memory does."""

import os


def network(image_shape, n_classes):
    """Take the process down."""
    os._exit(9)
