"""What is asked of queries and form bodies, as values. Belongs here: the options; no behaviour.

Like the other options of a shape they are hashable and travel between processes.
"""

from dataclasses import dataclass

from proxy.shape.bodies import MAX_PARTS


@dataclass(frozen=True, slots=True)
class QueryShape:
    """How old clients write queries.

    *renames* are pairs of a parameter's name, as a whole, and the proto path of its field. With
    *brackets*, `a[b]` goes into a message as `a.b` does, and `a[]` is one more element of a list.
    *separator* stands between the values of a list in one parameter.
    """

    renames: tuple[tuple[str, str], ...] = ()
    brackets: bool = False
    separator: str | None = None


@dataclass(frozen=True, slots=True)
class FileField:
    """Where the file of a form goes: proto paths, from the message that the body is.

    *content* is a field of bytes or of type `HttpBody`; *file_name* and *media_type* are texts.
    """

    part: str
    content: str
    file_name: str | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class FormBodies:
    """Which forms are taken for bodies, and how much they may hold."""

    urlencoded: bool = True
    multipart: bool = True
    max_parts: int = MAX_PARTS
    max_file_bytes: int | None = None
    files: tuple[FileField, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestShape:
    """The part of a shape about requests alone.

    *control* names parameters that are for the proxy, in queries and forms: no fields are looked
    for under these names. With *control_forms* a form may be sent for the sake of them alone, where
    the rule takes no body: its other inputs are parameters.
    """

    query: QueryShape = QueryShape()
    forms: FormBodies | None = None
    control: frozenset[str] = frozenset()
    control_forms: bool = False
