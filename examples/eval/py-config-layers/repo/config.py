def load(data, env=None):
    return dict(data)
