from bench.figures import Broken


def run():
    raise Broken("the peer gave a wrong answer")
