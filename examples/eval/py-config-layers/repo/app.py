from config import load

DEFAULTS = {'port': 80, 'log': {'level': 'info'}}


def settings():
    return load(DEFAULTS)
