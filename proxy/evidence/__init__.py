"""The evidence store: what was compared, kept and counted for all processes of a service."""

from proxy.evidence.batch import Batch
from proxy.evidence.errors import EvidenceError, EvidenceRefused, NewerSchema
from proxy.evidence.key import load_key, read_key
from proxy.evidence.limits import EvidenceLimits
from proxy.evidence.postgres import PostgresStore
from proxy.evidence.reader import EvidenceReader
from proxy.evidence.reading import Totals
from proxy.evidence.sqlite import SqliteStore
from proxy.evidence.store import EvidenceStore
from proxy.evidence.writer import EvidenceWriter

__all__ = [
    "Batch",
    "EvidenceError",
    "EvidenceLimits",
    "EvidenceReader",
    "EvidenceRefused",
    "EvidenceStore",
    "EvidenceWriter",
    "NewerSchema",
    "PostgresStore",
    "SqliteStore",
    "Totals",
    "load_key",
    "read_key",
]
