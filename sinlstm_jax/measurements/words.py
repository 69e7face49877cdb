"""Rates and durations in words."""

HOUR = 3600.0  # s
DAY = 24 * HOUR


def rate_in_words(rate: float) -> str:
    """Return a rate in Hz as words; a slow one as what lies between two samples."""
    return f"{rate:.5g} Hz" if rate >= 0.1 else f"one every {duration_in_words(1 / rate)}"


def duration_in_words(seconds: float) -> str:
    """Return a duration in s as words."""
    for most, unit, name in ((120, 1, "s"), (2 * HOUR, 60, "min"), (48 * HOUR, HOUR, "h")):
        if seconds < most:
            return f"{seconds / unit:.3g} {name}"
    days = seconds / DAY
    return f"{days:.3g} days" if days < 730 else f"{days / 365.25:.3g} years"
