"""Counts and mean times of an access log, by path."""
import re
import sys

LINE = re.compile(r'^\S+ [A-Z]+ (/[^\s?]*)(?:\?\S*)? \d{3} (\d+)ms$')


def main(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            lines = file.read().splitlines()
    except OSError as error:
        print(f'report: {path} cannot be read: {error.strerror}', file=sys.stderr)
        return 2
    times, skipped = {}, 0
    for line in lines:
        found = LINE.match(line)
        if found:
            times.setdefault(found.group(1), []).append(int(found.group(2)))
        else:
            skipped += 1
    for name, own in sorted(times.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        print(f'{name} {len(own)} {sum(own) / len(own):.1f}')
    if skipped:
        print(f'skipped {skipped}')
    return 0


if __name__ == '__main__':
    if len(sys.argv) != 2:
        print('usage: report.py FILE', file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1]))
