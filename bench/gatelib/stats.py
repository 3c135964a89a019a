# SPDX-License-Identifier: MIT
"""Statistics of the gate: pure functions on lists of numbers.

Source of the trimmed t interval: Yuen, "The two-sample trimmed t for unequal population variances", Biometrika 61
(1974), here for one sample of differences; of the incomplete beta function: Lentz's continued fraction.
"""
import functools
import math

TRIM = 0.2  # share of the sample that is set aside at each end


def _beta_fraction(a, b, x):
    """The continued fraction of the incomplete beta function."""
    tiny = 1e-300
    c, d = 1.0, 1.0 / max(1.0 - (a + b) * x / (a + 1.0), tiny)
    result = d
    for m in range(1, 300):
        for step in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                     -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d = 1.0 + step * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + step / c
            c = c if abs(c) > tiny else tiny
            result *= c * d
        if abs(c * d - 1.0) < 1e-14:
            break
    return result


def beta_regularised(a, b, x):
    """I_x(a, b), 0 <= x <= 1."""
    if x <= 0.0 or x >= 1.0:
        return float(x > 0.0)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(a, b, x) / a
    return 1.0 - front * _beta_fraction(b, a, 1.0 - x) / b


def t_tail(t, df):
    """P(T > t) of Student's t, t >= 0."""
    return 0.5 * beta_regularised(df / 2.0, 0.5, df / (df + t * t))


@functools.lru_cache(maxsize=None)
def t_quantile(tail, df):
    """The t whose upper tail is `tail` (0 < tail < 0.5)."""
    low, high = 0.0, 1.0
    while t_tail(high, df) > tail:
        high *= 2.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        if t_tail(middle, df) > tail:
            low = middle
        else:
            high = middle
    return high


def median(values):
    """The middle of a list that is not empty."""
    s = sorted(values)
    half = len(s) // 2
    return s[half] if len(s) % 2 else 0.5 * (s[half - 1] + s[half])


def spread(values):
    """1.4826 * median |x - median|: the standard deviation of normal values, not moved by outliers."""
    centre = median(values)
    return 1.4826 * median([abs(v - centre) for v in values])


def trimmed(values):
    """Trimmed mean, its standard error by the winsorised variance, degrees of freedom; at least 5 values."""
    s = sorted(values)
    n = len(s)
    g = int(TRIM * n)
    kept = s[g:n - g]
    mean = math.fsum(kept) / len(kept)
    ends = (kept[0], kept[-1])
    centre = (math.fsum(kept) + g * (ends[0] + ends[1])) / n
    squares = math.fsum((v - centre) ** 2 for v in kept) + g * sum((v - centre) ** 2 for v in ends)
    h = len(kept)
    return mean, math.sqrt(squares / (h * (h - 1))), h - 1


def binomial_upper(events, runs, confidence=0.95):
    """Upper confidence limit of a rate after `events` in `runs` (Clopper and Pearson)."""
    if events >= runs:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        p = 0.5 * (low + high)
        if 1.0 - beta_regularised(events + 1, runs - events, p) > 1.0 - confidence:
            low = p
        else:
            high = p
    return high
