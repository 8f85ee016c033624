"""Reports: the evidence of a route as one document, and its forms for people."""
