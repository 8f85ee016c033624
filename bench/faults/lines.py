"""All lines, in the order of the table."""

from typing import Final

from bench.faults import (
    crashes,
    freezes,
    misbehaviour,
    moving,
    outages,
    overload,
    reloads,
    restarts,
    scaling,
    slow_clients,
)
from bench.faults.verdicts import Line

LINES: Final = (
    Line("R1", "100 reloads, half by symlink", reloads.measure),
    Line("R2", "20 rolling restarts, 2 workers", restarts.measure),
    Line("R3", "20 x kill -9 of a worker", crashes.measure),
    Line("R4", "gRPC server killed and back, 10 x", outages.measure),
    Line("R5", "gRPC server frozen for 30 s", freezes.measure),
    Line("R6", "misbehaving HTTP/2 server", misbehaviour.measure),
    Line("R7", "servers 2 → 4 → 2 by DNS", scaling.measure),
    Line("R8", "3 x overload, open loop", overload.measure),
    Line("R9", "5,000 slow connections", slow_clients.measure),
    Line("R10", "50 moves between stages", moving.measure),
)
