"""The settings of a route's requests, as one value that is compiled into what reads them.

Belongs here: the settings with what `spec` has. Does not: what each of them does
(`transcoding.request` and what it calls), what a dialect sets (`config.request_dialect`).
"""

from dataclasses import dataclass
from typing import Final, Literal

from proxy.transcoding.texts import SPEC, TextForms

#: What a query parameter that names no field, or a JSON key that does not, leads to.
UnknownFields = Literal["reject", "warn", "ignore"]

#: What becomes of a body where the rule has none: `empty` takes an object without members.
UnexpectedBody = Literal["reject", "empty", "ignore"]

#: Parameters of one query string unless told otherwise; as many as a JSON object may have keys.
MAX_PARAMETERS: Final = 1000


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """How path, query and body become a message. The first names of a row are those of a query.

    *drops_flags* leaves out parameters without `=`; *takes_last* lets a singular field be given
    twice; *merges_query* lets a query add to what the rule gives to the body;
    *ignores_collisions* leaves out what a higher source gives otherwise. *any_content_type* reads
    any body as JSON; *makes_absent_body* sets the body's field where there is no body;
    *fill_mask* is off in dialects without mask filling. *reads_form* takes the body for more
    parameters, before those of the query. *validates* holds messages against the rules of their
    types. Hashable, and travels between processes.
    """

    unknown_parameters: UnknownFields = "reject"
    max_parameters: int = MAX_PARAMETERS
    plus_is_space: bool = True
    keeps_bad_escapes: bool = False
    drops_flags: bool = False
    takes_last: bool = False
    merges_query: bool = False
    ignores_collisions: bool = False
    any_content_type: bool = False
    unexpected_body: UnexpectedBody = "reject"
    makes_absent_body: bool = False
    fill_mask: bool = True
    reads_form: bool = False
    validates: bool = False
    texts: TextForms = SPEC
