"""Programs that are run in processes of their own, where they can harm nobody."""
