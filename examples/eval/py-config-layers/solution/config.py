import re


def load(*layers, env=None):
    """Later layers over earlier ones; None removes a key; ${NAME} in strings comes from `env`."""
    merged = {}
    for layer in layers:
        merged = _merge(merged, layer)
    return _fill(merged, env or {})


def _merge(below, above):
    out = dict(below)
    for key, value in above.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict):
            old = out.get(key)
            out[key] = _merge(old if isinstance(old, dict) else {}, value)
        else:
            out[key] = value
    return out


def _fill(value, env):
    if isinstance(value, str):
        return re.sub(r'\$\{(\w+)\}', lambda found: env[found.group(1)], value)
    if isinstance(value, dict):
        return {key: _fill(one, env) for key, one in value.items()}
    if isinstance(value, list):
        return [_fill(one, env) for one in value]
    return value
