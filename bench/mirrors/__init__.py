"""What mirrors cost the requests that they copy: the lines of `./run bench shadow`."""
