"""What compares the answers and requests of one binding, compiled from its route's options.

Belongs here: which rules hold for which binding, and when nothing need be compiled anew. Does not:
comparing (`comparison`), problems with rules (`routing.path_problems`).
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.paths import PathPattern
from proxy.comparison.requests import RequestComparator
from proxy.comparison.rules import Ignore, Rule
from proxy.comparison.schema import Plans
from proxy.config.compare import Compare
from proxy.config.mirror_policy import rule_value
from proxy.cutover.mirror import MirrorOptions
from proxy.gate.redaction import Redactor
from proxy.routing.field_paths import FieldPaths, NoSuchField
from proxy.routing.path_problems import REQUEST
from proxy.transcoding.binding import Binding
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
        self._plans = Plans()

    def __repr__(self) -> str:
        return f"<ComparisonCompiler with {self._paths!r}>"

    def inputs(
        self, section: Compare | None, mirror: MirrorOptions, request: RequestBuilder
    ) -> ComparisonInputs:
        """What the comparisons of the binding of *request* are to be made from."""
        parsed, binding = self._parsed(section or _NOTHING), request.binding
        rules, reveal = self._rules(parsed, binding), self._reveal(parsed, binding)
        if request.shape is not None:  # its paths are of legacy JSON, which no descriptor describes
            rules = (rule for _, rule, _ in parsed.rules)
            reveal = iter(parsed.compare.reveal)
        options = CompareOptions(
            status=parsed.compare.status,
            headers=parsed.compare.headers,
            rules=tuple(rules),
            max_messages=mirror.max_messages,
        )
        return ComparisonInputs(options, tuple(reveal), request)

    def compile(
        self, inputs: ComparisonInputs, codecs: Codecs, before: Comparisons | None
    ) -> Comparisons:
        """The comparisons of a binding: those of *before* where nothing else would come out."""
        if before is not None and before.inputs == inputs:
            return before
        binding, method = inputs.request.binding, inputs.request.binding.method
        output, field = method.output_type, binding.response_body
        streams = binding.cardinality.response_streams
        return Comparisons(
            inputs,
            Comparator.compile(output, field, inputs.options, streams=streams, plans=self._plans),
            RequestComparator.compile(inputs.request, codecs, inputs.options.rules, self._plans),
            Redactor.compile(output, field, method.input_type, inputs.reveal),
        )

    def _parsed(self, compare: Compare) -> "_Section":
        """The section as it is for all bindings: most have that of `defaults`."""
        found = self._sections.get(id(compare))
        if found is None:
            found = self._sections[id(compare)] = _Section.of(compare)
        return found

    def _rules(self, parsed: "_Section", binding: Binding) -> Iterator[Rule]:
        """The rules whose fields are there, or that are about fields which are not."""
        for pattern, rule, legacy_only in parsed.rules:
            try:
                self._paths.of_rule(pattern, binding, ignores=isinstance(rule.check, Ignore))
            except NoSuchField:
                if not legacy_only:
                    continue
            yield rule

    def _reveal(self, parsed: "_Section", binding: Binding) -> Iterator[str]:
        """The paths that are there, as differences have them."""
        for path in parsed.compare.reveal:
            try:
                yield self._named(path, binding)
            except NoSuchField:
                continue

    def _named(self, path: str, binding: Binding) -> str:
        if path.startswith(REQUEST):
            return self._paths.in_request(PathPattern.parse(path), binding.method.input_type)
        is_field = path.startswith(("$", "error:$"))
        return self._paths.in_answer(PathPattern.parse(path), binding) if is_field else path


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
