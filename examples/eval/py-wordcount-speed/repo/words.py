import re


def top(text, n):
    words = re.findall(r"[a-z']+", text.lower())
    unique = []
    for word in words:
        if word not in unique:
            unique.append(word)
    return sorted(((word, words.count(word)) for word in unique), key=lambda pair: (-pair[1], pair[0]))[:n]
