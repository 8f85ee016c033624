"""What an operator sees: metrics, the access log, the process log, trace contexts.

Belongs here: turning what happened into numbers and lines. Does not: deciding when something has
happened (`exchange`), serving it (`admin`).
"""
