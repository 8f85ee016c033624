from bench.figures import Figure


async def run():
    return [Figure("cost", 3.0, "µs", target=2.0, higher_is_better=False)]
