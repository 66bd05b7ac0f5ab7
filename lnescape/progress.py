"""The progress bar of all long calls: trainings, walks, surveys, statements and studies."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_OPEN = threading.local()  # `.n` bars of this thread; those inside another one, shown or not, are not shown
_FORM = "{desc} {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} {unit}, {elapsed} so far, about {remaining} left"
PATIENCE = 2.0  # seconds until a bar is shown, and between its refreshes


@contextmanager
def bar(total: float, title: str, unit: str, *, show: bool = True, stay: bool = False) -> Iterator[Any]:
    """Lend a tqdm bar that appears after two seconds and goes at the end, or one that is there at once to stay."""
    from tqdm import tqdm

    if show not in (True, False):
        raise ValueError(f"progress is {show!r}; pass True or False.")
    outer = getattr(_OPEN, "n", 0)
    with tqdm(
        total=total, desc=title, unit=unit, bar_format=_FORM, smoothing=0.1,
        delay=0 if stay else PATIENCE, leave=stay, disable=bool(outer) or not (show and total),
    ) as shown:  # fmt: skip
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(PATIENCE):  # the time goes on, also where a step takes minutes
                shown.refresh()

        clock = threading.Thread(target=tick, daemon=True)
        if not shown.disable:
            clock.start()
        _OPEN.n = outer + 1
        try:
            yield shown
        finally:
            _OPEN.n = outer
            ended.set()
            if clock.is_alive():
                clock.join()
