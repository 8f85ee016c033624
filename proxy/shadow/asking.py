"""What a mirrored request asks of a shape, as its primary's does.

Belongs here: from a sample to what `shape.outcomes` goes by. Does not: what it makes of that.
"""

from dataclasses import replace

from proxy.shadow.sample import Sample
from proxy.shape.outcomes.asked import Client


def with_asked(sample: Sample) -> Sample:
    """The sample with what it asks for, and the query that its message is made of.

    The sample itself where no shape depends on it. Raises `RequestError`, as the primary would.
    """
    outcomes = sample.binding.outcomes
    if outcomes is None:
        return sample
    path = sample.target.partition("?")[0]
    client = Client(sample.http_method, sample.scheme, path, sample.query, sample.headers)
    asked = outcomes.ask(client)
    return replace(sample, asked=asked, query=asked.query)
