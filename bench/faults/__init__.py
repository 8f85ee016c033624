"""What can go wrong while a proxy serves, done to a real one under load: `./run bench reliability`.

A line of the table is one function. It breaks something, and says in figures what that did. What a
figure has to reach is said beside it; nothing is tried again until it fits.
"""
