"""The tables, and how those of an earlier version become those of this one.

Belongs here: definitions, step by step. Steps are added at the end and never changed: databases
exist that were made by them.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from proxy.evidence.errors import NewerSchema

#: The statements that lead from each version to the next. `{blob}` is the type of bytes, `{packed}`
#: what a table says that is stored in the order of its key.
STEPS: Final[Sequence[Sequence[str]]] = (
    (
        """CREATE TABLE cutover_epoch (
            id BIGINT PRIMARY KEY, route TEXT NOT NULL, digest TEXT NOT NULL,
            version TEXT NOT NULL, begun_s DOUBLE PRECISION NOT NULL,
            active_s DOUBLE PRECISION NOT NULL, first_s DOUBLE PRECISION, last_s DOUBLE PRECISION,
            requests BIGINT NOT NULL, controls BIGINT NOT NULL, compared BIGINT NOT NULL,
            mismatches BIGINT NOT NULL, clients BIGINT NOT NULL, tracked BIGINT NOT NULL,
            swept_hour BIGINT NOT NULL, shapes BIGINT NOT NULL, UNIQUE (route, digest, version))""",
        """CREATE TABLE cutover_tally (
            epoch BIGINT NOT NULL, topic TEXT NOT NULL, name TEXT NOT NULL, detail TEXT NOT NULL,
            count BIGINT NOT NULL, PRIMARY KEY (epoch, topic, name, detail)){packed}""",
        """CREATE TABLE cutover_client (
            epoch BIGINT NOT NULL, client {blob} NOT NULL, hour BIGINT NOT NULL,
            used BIGINT NOT NULL, PRIMARY KEY (epoch, client)){packed}""",
        """CREATE TABLE cutover_shape (
            epoch BIGINT NOT NULL, shape {blob} NOT NULL, seen BIGINT NOT NULL,
            PRIMARY KEY (epoch, shape)){packed}""",
        """CREATE TABLE cutover_difference (
            epoch BIGINT NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL, count BIGINT NOT NULL,
            mismatches BIGINT NOT NULL, b BIGINT NOT NULL, both_differ BIGINT NOT NULL,
            first_s DOUBLE PRECISION NOT NULL, last_s DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (epoch, path, kind)){packed}""",
        """CREATE TABLE cutover_example (
            epoch BIGINT NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL, slot BIGINT NOT NULL,
            id TEXT NOT NULL, at_s DOUBLE PRECISION NOT NULL, content TEXT NOT NULL,
            PRIMARY KEY (epoch, path, kind, slot))""",
        "CREATE INDEX cutover_example_id ON cutover_example (id)",
        "CREATE INDEX cutover_example_at ON cutover_example (at_s)",
        """CREATE TABLE cutover_writer (
            name TEXT PRIMARY KEY, sequence BIGINT NOT NULL, at_s DOUBLE PRECISION NOT NULL)""",
    ),
)

#: Every table that has rows of an epoch.
EPOCH_TABLES: Final = (
    "cutover_tally",
    "cutover_client",
    "cutover_shape",
    "cutover_difference",
    "cutover_example",
)


def statements_from(version: int, steps: Sequence[Sequence[str]] = STEPS) -> Iterable[str]:
    """What leads from *version*, 0 for an empty database, to the newest. Raises NewerSchema."""
    if version > len(steps):
        raise NewerSchema(version, len(steps))
    return [statement for step in steps[version:] for statement in step]
