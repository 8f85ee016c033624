"""One request from start to finish: match, decide, transcode, call, answer."""
