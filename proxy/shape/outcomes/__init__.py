"""What a client gets beside the JSON of a message: status, headers, entity tag, page.

Belongs here: pure code that makes them of a reply and of the request that it answers, compiled per
binding. Does not: the JSON itself (`transcoding`, `shape`), calls (`exchange`, `shadow`).
"""
