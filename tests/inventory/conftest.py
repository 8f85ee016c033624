from tests.inventory.stand import snapshot

__all__ = ["snapshot"]
