"""What holds for every test. Fixtures belong nearer to the tests that use them."""

import os

# grpcio's core reads this when it is first imported; unset, it writes a line to stderr for each
# connection that a server ends, which tests do all the time.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

from hypothesis import settings

# How long an example takes is the machine's business: a test must not fail by its load. Nor by
# chance: the same examples are tried in every run.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")
