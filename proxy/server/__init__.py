"""The aiohttp front end: requests in, answers out, drain."""
