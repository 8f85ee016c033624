from bench.figures import Unavailable


def run():
    raise Unavailable("no peer here")
