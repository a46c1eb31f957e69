import re
from collections import Counter


def top(text, n):
    """The n most frequent words with their counts; equal counts in alphabetical order."""
    counts = Counter(re.findall(r"[a-z']+", text.lower()))
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:n]
