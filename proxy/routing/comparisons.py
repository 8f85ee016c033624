"""What compares the answers and requests of one binding, compiled from its route's options.

Belongs here: which rules hold for which binding, and when nothing need be compiled anew. Does not:
comparing (`comparison`), problems with rules (`routing.path_problems`).
"""

from collections.abc import Hashable, Iterator
from functools import partial
from typing import Final, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.legacy_plans import Asked, Written, body_of, plans_key, plans_of
from proxy.comparison.paths import PathPattern
from proxy.comparison.requests import RequestComparator
from proxy.comparison.rules import Ignore, Rule
from proxy.comparison.schema import Plans, is_private
from proxy.config.compare import Compare
from proxy.config.mirror_policy import rule_value
from proxy.cutover.mirror import MirrorOptions
from proxy.errors import RequestError
from proxy.gate.redaction import Known, Redactor
from proxy.routing.field_paths import FieldPaths, NoSuchField, Target
from proxy.routing.path_problems import REQUEST
from proxy.shape.printer_source import field_steps
from proxy.transcoding.protojson import Codecs
from proxy.transcoding.request import RequestBuilder

_NOTHING: Final = Compare()


class ComparisonInputs(NamedTuple):
    """All that the comparisons of a binding are made from, beside the schema.

    *request* is what reads the binding's requests: it is another one when any option of JSON is.
    """

    options: CompareOptions
    reveal: tuple[str, ...]
    request: RequestBuilder


class Comparisons(NamedTuple):
    """What was compiled for the mirrors of one binding, and what from."""

    inputs: ComparisonInputs
    comparator: Comparator
    requests: RequestComparator
    redactor: Redactor


class ComparisonCompiler:
    """Compiles the comparisons of all bindings of one schema."""

    def __init__(self) -> None:
        self._paths = FieldPaths()
        self._sections: dict[int, _Section] = {}
        #: What the comparators learn of messages when answers come, each message once.
        self._plans: dict[Hashable, Plans] = {}

    def __repr__(self) -> str:
        return f"<ComparisonCompiler with {self._paths!r}>"

    def inputs(
        self,
        section: Compare | None,
        mirror: MirrorOptions,
        request: RequestBuilder,
        written: Written | None = None,
    ) -> ComparisonInputs:
        """What the comparisons of the binding of *request* are to be made from.

        *written* is how the bodies of answers are, None for ProtoJSON.
        """
        parsed, target = self._parsed(section or _NOTHING), Target(request.binding, written)
        options = CompareOptions(
            status=parsed.compare.status,
            headers=parsed.compare.headers,
            rules=tuple(self._rules(parsed, target)),
            max_messages=mirror.max_messages,
            written=written,
        )
        return ComparisonInputs(options, tuple(self._reveal(parsed, target)), request)

    def compile(
        self, inputs: ComparisonInputs, codecs: Codecs, before: Comparisons | None
    ) -> Comparisons:
        """The comparisons of a binding: those of *before* where nothing else would come out."""
        if before is not None and before.inputs == inputs:
            return before
        binding, method = inputs.request.binding, inputs.request.binding.method
        asked = Asked(method.output_type, binding.response_body)
        streams, plans = binding.cardinality.response_streams, self._plans_of(inputs)
        return Comparisons(
            inputs,
            Comparator.compile(*asked[:2], inputs.options, streams=streams, plans=plans),
            RequestComparator.compile(inputs.request, codecs, inputs.options.rules, plans),
            self._redactor(inputs, asked, plans),
        )

    def _redactor(self, inputs: ComparisonInputs, asked: Asked, plans: Plans) -> Redactor:
        request, written = inputs.request, inputs.options.written
        body = request.binding.body if isinstance(request.binding.body, FieldDescriptor) else None
        input_type = request.binding.method.input_type
        sent = Asked(input_type, None if request.shape is None else body, sent=True)
        return Redactor.of_bodies(
            body_of(plans, asked, written),
            body_of(plans, sent, written),
            inputs.reveal,
            plans=plans,
            parameters=None if request.shape is None else partial(_parameter, request),
        )

    def _plans_of(self, inputs: ComparisonInputs) -> Plans:
        """The plans that the binding shares with all whose messages are written alike."""
        key = plans_key(inputs.options.written)
        if key not in self._plans:
            self._plans[key] = plans_of(inputs.options.written)
        return self._plans[key]

    def _parsed(self, compare: Compare) -> "_Section":
        """The section as it is for all bindings: most have that of `defaults`."""
        found = self._sections.get(id(compare))
        if found is None:
            found = self._sections[id(compare)] = _Section.of(compare)
        return found

    def _rules(self, parsed: "_Section", target: Target) -> Iterator[Rule]:
        """The rules whose fields are there, or that are about fields which are not."""
        for pattern, rule, legacy_only in parsed.rules:
            try:
                self._paths.of_rule(pattern, target, ignores=isinstance(rule.check, Ignore))
            except NoSuchField:
                if not legacy_only:
                    continue
            yield rule

    def _reveal(self, parsed: "_Section", target: Target) -> Iterator[str]:
        """The paths that are there, as differences have them."""
        for path in parsed.compare.reveal:
            try:
                yield self._named(path, target)
            except NoSuchField:
                continue

    def _named(self, path: str, target: Target) -> str:
        if path.startswith(REQUEST):
            return self._paths.in_request(PathPattern.parse(path), target)
        is_field = path.startswith(("$", "error:$"))
        return self._paths.in_answer(PathPattern.parse(path), target) if is_field else path


def _parameter(request: RequestBuilder, name: str) -> Known | None:
    """What a legacy parameter is; one that cannot be given so is nobody's business."""
    try:
        meant = request.query.meaning(name)
    except RequestError:
        return Known(private=True, has_key=True)
    if meant is None:
        return None
    path = ".".join(each.name for each in (*meant.parents, meant.node))
    steps = field_steps(request.binding.method.input_type, path)
    return Known(any(map(is_private, steps)), meant.key is not None)


class _Section(NamedTuple):
    """A section with its rules as comparisons read them, and whether each is of legacy alone.

    It holds on to the section, so that no other can have its identity.
    """

    compare: Compare
    rules: tuple[tuple[PathPattern, Rule, bool], ...]

    @classmethod
    def of(cls, compare: Compare) -> "_Section":
        return cls(
            compare,
            tuple(
                (PathPattern.parse(each.path), rule_value(each), each.legacy_only)
                for each in compare.rules
            ),
        )
