from tests.live.edge_fixtures import lone_snapshot, snapshot

__all__ = ["lone_snapshot", "snapshot"]
