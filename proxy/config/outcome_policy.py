"""A shape's keys about status, headers, entity tags and pages, as the values that compile.

Belongs here: that change of form. Does not: the keys (`shape_outcomes`), what they come to
(`shape.outcomes`).
"""

from typing import Final

from proxy.config.shape_outcomes import AnswerStatus, EntityTag, Paging, ShapeOutcomes
from proxy.config.shape_values import ShapeValues
from proxy.shape.holes import Document
from proxy.shape.outcomes.options import (
    HeaderOptions,
    OutcomeOptions,
    PagingOptions,
    StatusOptions,
    TagOptions,
)

#: What an envelope says of its list without our help.
_COUNT: Final = "@count"


def outcome_options(shape: ShapeOutcomes | None) -> OutcomeOptions | None:
    """What a shape says of answers beside their JSON; None when it says nothing."""
    if shape is None:
        return None
    options = OutcomeOptions(
        status=None if shape.status is None else _status(shape.status),
        headers=tuple(
            HeaderOptions(name, each.value, frozenset(each.on or ()), each.slashes)
            for name, each in shape.headers.items()
        ),
        etag=None if shape.etag is None else _tag(shape.etag),
        paging=None if shape.paging is None else _paging(shape.paging),
        base_url=shape.base_url,
    )
    return options if options != OutcomeOptions(base_url=shape.base_url) else None


def shown_names(shape: ShapeValues) -> frozenset[str]:
    """The holes of the answer's envelope that are no fields, but for those that it counts itself.

    >>> from proxy.config.shape_values import AnswerWrapping
    >>> wrapping = AnswerWrapping(body={"result": "{}", "page": "{@page}", "n": "{@count}"})
    >>> shown_names(ShapeValues(answer=wrapping))
    frozenset({'@page'})
    """
    if shape.answer is None:
        return frozenset()
    names = Document.parse(shape.answer.body).names
    return frozenset(name for name in names if name.startswith("@") and name != _COUNT)


def _status(status: AnswerStatus) -> StatusOptions:
    return StatusOptions(
        code=status.code,
        empty=status.empty,
        empty_if=status.empty_if,
        field=status.field,
        allowed=status.allowed or (),
        values=tuple((status.values or {}).items()),
    )


def _tag(etag: EntityTag) -> TagOptions:
    return TagOptions(etag.value, etag.weak, etag.if_match, etag.quoted)


def _paging(paging: Paging) -> PagingOptions:
    return PagingOptions(
        page=paging.page,
        per_page=paging.per_page,
        first=paging.first,
        default_per_page=paging.default_per_page,
        max_per_page=paging.max_per_page,
        clamps=paging.above_max == "clamp",
        size=paging.size,
        token=paging.token,
        next=paging.next,
        total=paging.total,
        items=paging.items,
        skip=paging.skip,
        tokens=paging.tokens,
        encode=paging.encode,
        max_calls=paging.max_calls,
        link=paging.link or (),
    )
