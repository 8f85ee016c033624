"""Files to a configuration, or to every problem with them.

Belongs here: the order of the steps. Each step goes as far as it can, so that one round of
corrections is enough: what the schema refuses is taken out, and the rest is still checked.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date
from hashlib import sha256
from typing import Any, Final

import orjson
from pydantic import ValidationError

from proxy.config.checks import check_draft
from proxy.config.draft import Draft
from proxy.config.messages import schema_problems
from proxy.config.resolved import Config
from proxy.config.scalars import NUMBER_WANTED
from proxy.config.schema import Settings
from proxy.config.source import MappingNode, ScalarNode, SourceText, SyntaxProblem, parse_source
from proxy.config.tree import Location, Tree, TreeBuilder
from proxy.errors import ConfigError, Place, Problem

#: The `type` of a file beside the configuration that is a gRPC service config.
_SERVICE_CONFIG: Final = "google.api.Service"
#: Errors of text where a number or a truth value should stand.
_NOT_TEXT: Final = NUMBER_WANTED | {"int_type", "bool_type"}
#: The lists whose entries stand by themselves: a refused entry does not take the others along.
_LISTS: Final = ("routes", "descriptors")


def load_config(files: Sequence[SourceText], environ: Mapping[str, str], today: date) -> Config:
    """Read the configuration that *files* make together; *environ* is what `${NAME}` names.

    A rule whose last day was before *today*, a day in UTC, is a problem. A file with
    `type: google.api.Service` is no configuration: it counts only where an entry of `descriptors`
    names it. Raises `ConfigError` with every problem.
    """
    roots, problems = _parse(files)
    tree = _build(roots, environ, problems)
    whole = not problems
    settings, refused, refusals = _validate(tree, whole=whole)
    problems += tree.problems
    problems += refusals
    draft = _draft(settings, refused, tree, today)
    if whole:
        problems += check_draft(draft)
        problems += _unused_service_configs(roots, draft)
    if problems:
        raise ConfigError(sorted(problems, key=_position))
    return Config.of(settings, _digest(settings), tree)


def _position(problem: Problem) -> tuple[str, int, int]:
    place = problem.place
    return place.file, place.line or 0, place.column or 0


def _parse(files: Sequence[SourceText]) -> tuple[list[MappingNode], list[Problem]]:
    roots: list[MappingNode] = []
    problems = [] if files else [Problem(Place("configuration"), "there is no file to read")]
    for source in files:
        try:
            roots.append(parse_source(source))
        except SyntaxProblem as refusal:
            problems.append(refusal.problem)
    return roots, problems


def _build(
    roots: Iterable[MappingNode], environ: Mapping[str, str], problems: list[Problem]
) -> Tree:
    builder = TreeBuilder(environ)
    try:
        for root in roots:
            if _type_of(root) != _SERVICE_CONFIG:
                builder.add(root)
    except SyntaxProblem as refusal:
        problems.append(refusal.problem)
    return builder.build()


def _type_of(root: MappingNode) -> str | None:
    values = (value for key, value in root.entries if key.text == "type")
    value = next(values, None)
    return value.text if isinstance(value, ScalarNode) else None


def _validate(tree: Tree, *, whole: bool) -> tuple[Settings, frozenset[Location], list[Problem]]:
    """The settings, what had to be taken out to make them valid, and why.

    When not *whole*, a file could not be read: keys that are missing may stand there.
    """
    _retype_variables(tree)
    values: dict[str, Any] = dict(tree.values)
    refused = {_part_of(location) for location in tree.refused}
    try:
        return Settings.model_validate(values), frozenset(refused), []
    except ValidationError as error:
        known = tree.refused if whole else {*tree.refused, ("version",)}
        problems = schema_problems(error, tree, known)
        locations = [details["loc"] for details in error.errors(include_url=False)]
    refused |= {_part_of(location) for location in locations}
    return Settings.model_validate(_without(values, refused)), frozenset(refused), problems


def _retype_variables(tree: Tree) -> None:
    """Give the values from variables the type that the schema wants of them."""
    if not tree.templates:
        return
    try:
        Settings.model_validate(tree.values)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            if details["type"] in _NOT_TEXT and details["loc"] in tree.templates:
                tree.retype(details["loc"])


def _part_of(location: Location) -> Location:
    """The part that goes when the value at *location* is refused: an entry or a section."""
    in_list = location[0] in _LISTS and len(location) > 1
    return location[:2] if in_list else location[:1]


def _without(values: Mapping[str, Any], refused: Set[Location]) -> dict[str, Any]:
    kept = {key: value for key, value in values.items() if (key,) not in refused}
    for key in _LISTS:
        if key in kept:
            kept[key] = tuple(v for i, v in enumerate(kept[key]) if (key, i) not in refused)
    return {**kept, "version": 1}


def _draft(settings: Settings, refused: frozenset[Location], tree: Tree, today: date) -> Draft:
    def indexes(key: str) -> list[int]:
        entries = tree.values.get(key)
        count = len(entries) if isinstance(entries, tuple) else 0
        return [index for index in range(count) if (key, index) not in refused]

    upstreams = tree.values.get("upstreams")
    return Draft(
        settings,
        tree,
        tuple(zip(indexes("routes"), settings.routes, strict=False)),
        tuple(zip(indexes("descriptors"), settings.descriptors, strict=False)),
        tuple(upstreams) if isinstance(upstreams, dict) else (),
        frozenset(str(location[0]) for location in refused),
        today,
    )


def _unused_service_configs(roots: Iterable[MappingNode], draft: Draft) -> list[Problem]:
    """A service config that no entry names would be silently without effect."""
    if "descriptors" in draft.refused:
        return []
    named = {_file_name(source.service_config or "") for _, source in draft.sources}
    message = "is a service config, but no entry of descriptors names it"
    return [
        Problem(Place(root.place.file, 1, 1), message)
        for root in roots
        if _type_of(root) == _SERVICE_CONFIG and _file_name(root.place.file) not in named
    ]


def _file_name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _digest(settings: Settings) -> str:
    given = settings.model_dump(exclude_unset=True, by_alias=True)
    return sha256(orjson.dumps(given, option=orjson.OPT_SORT_KEYS)).hexdigest()
