"""How many files and sockets the process may have open.

Belongs here: the limit of the system. Does not: our own limits on connections (`server`).
"""

import resource


def allow_all_open_files() -> int:
    """Raise the soft limit on open files to the hard one; the limit that holds then.

    The soft limit is 1024 on most systems, for programs that use `select`. A proxy needs one
    for each client and one for each call of the legacy host.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        # What the hard limit says may be more than the kernel allows.
        return soft
    return hard
