def merge(intervals):
    """The union of closed intervals, sorted, without overlaps. The input stays as it is."""
    out = []
    for start, end in sorted(intervals):
        if end < start:
            raise ValueError(f'{end} is before {start}')
        if out and start <= out[-1][1]:
            out[-1][1] = max(out[-1][1], end)
        else:
            out.append([start, end])
    return out
