"""The gate: the counted comparisons of a route, how sure they make us, and what follows."""
