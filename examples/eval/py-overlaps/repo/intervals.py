def merge(intervals):
    intervals.sort()
    out = []
    for interval in intervals:
        if out and interval[0] < out[-1][1]:
            out[-1][1] = interval[1]
        else:
            out.append(interval)
    return out
