"""Numbers and durations in the reasons for settings."""

from mtkit.config.auto.heuristics import round_to_two_figures


def format_number(number: float) -> str:
    """Format a number with two figures: `670,000`, `8.1 million`."""
    about = float(f"{number:.1e}")
    if about >= 1e9:
        return f"{about / 1e9:g} billion"
    return f"{about / 1e6:g} million" if about >= 1e6 else f"{about:,.0f}"


def format_times(n_epochs: float) -> str:
    """Format how often each pair is seen: `about once`, `30 times`."""
    return "about once" if n_epochs < 1.5 else f"{round_to_two_figures(n_epochs)} times"


def approximate_duration(hours: float) -> str:
    """Format a duration roughly: `40 minutes`, `3 hours`, `12 days`, `7 weeks`."""
    for unit, size in ("week", 168.0), ("day", 24.0), ("hour", 1.0):
        if hours >= 2 * size:
            return f"{round_to_two_figures(hours / size)} {unit}s"
    minutes = max(1, round_to_two_figures(60 * hours))
    return "a minute" if minutes == 1 else f"{minutes} minutes"


def approximate_duration_range(least_hours: float, most_hours: float) -> str:
    """Format a range of durations: `40 to 90 minutes`, `50 minutes to 3 hours`."""
    least, most = approximate_duration(least_hours), approximate_duration(most_hours)
    if least == most:
        return least
    return f"{least.removesuffix(most[most.index(' ') :])} to {most}"
