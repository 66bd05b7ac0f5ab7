"""The progress bar of all that takes long: trainings, walks, surveys, statements and studies."""

_FORM = "{desc} {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} {unit}, {elapsed} so far, about {remaining} left"


def bar(total: float, title: str, unit: str, *, show: bool = True, stay: bool = False):
    """Make a tqdm bar that appears after two seconds and goes at the end, or one that is there at once to stay."""
    from tqdm import tqdm

    return tqdm(
        total=total, desc=title, unit=unit, bar_format=_FORM, smoothing=0.1,
        delay=0 if stay else 2, leave=stay, disable=not (show and total),
    )  # fmt: skip
