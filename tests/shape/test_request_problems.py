"""Settings about requests that fit nothing: load errors, told where they are written."""

import pytest

from proxy.errors import ConfigError
from tests.shape.corpus_pairs import snapshot_of


def problems(more: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        snapshot_of(more)
    return [str(problem) for problem in caught.value.problems]


FAULTS = {
    ("ListTickets", "{query: {rename: {a: nothing}}}", "query.rename.a", "has no field nothing"),
    ("ListTickets", "{query: {rename: {a: filter}}}", "query.rename.a", "no parameter can give"),
    ("ListTickets", "{query: {rename: {a: desk_id}}}", "query.rename.a", "given by the path"),
    ("OpenTicket", "{query: {rename: {a: ticket.id}}}", "query.rename.a", "given by the body"),
    ("Answer", "{query: {brackets: true}}", "query.brackets", "leaves no field for a query"),
    ("Answer", "{query: {separator: ','}}", "query.separator", "leaves no field for a query"),
    ("ListTickets", "{form_bodies: {}}", "form_bodies", "takes no body"),
    (
        "Answer",
        "{form_bodies: {files: {f: {into: text}}}}",
        "form_bodies.files.f",
        "neither bytes nor an HttpBody",
    ),
    (
        "Answer",
        "{form_bodies: {files: {f: {into: attachment, file_name: others}}}}",
        "form_bodies.files.f",
        "others is no text",
    ),
    ("Answer", "{form_bodies: {files: {f: {into: x}}}}", "form_bodies.files.f", "has no field x"),
    (
        "Answer",
        "{form_bodies: {types: [urlencoded], max_parts: 3}}",
        "form_bodies",
        "takes no multipart forms",
    ),
    ("Answer", "{form_bodies: {max_file_bytes: 3B}}", "form_bodies", "takes no files"),
    ("ListTickets", "{request: {body: {data: '{}'}}}", "request", "takes no body"),
    ("Answer", "{request: {body: ['{}']}}", "request", "must be a whole member of an object"),
    ("Answer", "{request: {body: {data: 'a {}'}}}", "request", "must be a whole member"),
    ("Answer", "{request: {body: {data: '{@page}'}}}", "request", "must be a whole member"),
    ("Answer", "{request: {body: {data: '{nope}'}}}", "request", "has no field nope"),
    ("OpenTicket", "{request: {body: {d: '{}'}, of: reason}}", "request", "by the rule"),
}


@pytest.mark.parametrize(("rpc", "shape", "key", "words"), sorted(FAULTS), ids=str)
def test_a_setting_that_does_not_fit_its_rpc_is_refused(
    rpc: str, shape: str, key: str, words: str
) -> None:
    texts = problems(f"routes:\n- rpc: desk.v1.Desk.{rpc}\n  shape: {shape}\n")
    assert any(words in text and f"shape.{key}" in text for text in texts), texts
    assert all("cutover.yaml:6" in text for text in texts)


def test_a_setting_of_a_profile_must_fit_some_route_that_has_it() -> None:
    profile = "profiles: {old: {query: {rename: {perPage: page_size}}, form_bodies: {}}}\n"
    both = (
        "routes:\n- {rpc: desk.v1.Desk.ListTickets, shape: {profile: old}}\n"
        "- {rpc: desk.v1.Desk.Answer, shape: {profile: old}}\n"
    )
    assert snapshot_of(profile + both)
    (text,) = problems(
        profile + "routes:\n- {rpc: desk.v1.Desk.ListTickets, shape: {profile: old}}\n"
    )
    assert "profiles.old.form_bodies" in text
    assert "takes no body, for desk.v1.Desk.ListTickets" in text


def test_a_setting_that_does_not_fit_changes_nothing() -> None:
    profile = "profiles: {old: {names: snake, query: {rename: {perPage: page_size}}}}\n"
    snapshot = snapshot_of(
        profile + "routes:\n- {rpc: desk.v1.Desk.ListTickets, shape: {profile: old}}\n"
        "- {rpc: desk.v1.Desk.OpenTicket, shape: {profile: old}}\n"
    )
    binding = next(each for each in snapshot.bindings if each.route.rpc.endswith("OpenTicket"))
    built = binding.request.build(("d",), "dry_run=true&perPage=3", b"", None)
    assert built.message.dry_run
    assert built.unknown == ("perPage",)


def test_renames_lead_into_forms() -> None:
    shape = "{query: {rename: {title: ticket.subject_line}}, form_bodies: {}}"
    snapshot = snapshot_of(f"routes:\n- rpc: desk.v1.Desk.OpenTicket\n  shape: {shape}\n")
    binding = next(each for each in snapshot.bindings if each.route.rpc.endswith("OpenTicket"))
    kind = "application/x-www-form-urlencoded"
    built = binding.request.build(("d",), "", b"title=t", kind)
    assert built.message.ticket.subject_line == "t"
    assert binding.request.build(("d",), "title=t", b"", None).unknown == ("title",)
