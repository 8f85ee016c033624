"""Requests held against the rules in their protos: what is refused, and how it is told."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from proxy.errors import Place, RequestError
from proxy.sources.protos import compile_folder
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.validation import MOST_LOOKED_AT, MOST_TOLD, Validation

RULES = """syntax = "proto3";
package shop;
import "buf/validate/validate.proto";
message Order {
  string id = 1 [(buf.validate.field).string.uuid = true];
  int32 count = 2 [(buf.validate.field).int32 = {gt: 0, lt: 10}];
  repeated Line lines = 3 [(buf.validate.field).repeated.max_items = 50];
  map<string, Line> by_name = 4;
  map<bool, Line> by_flag = 5;
  oneof place {
    option (buf.validate.oneof).required = true;
    string shelf = 6;
    string box = 7;
  }
  option (buf.validate.message).cel = {
    id: "order.lucky", message: "four is not sold here", expression: "this.count != 4"
  };
}
message Line { string name = 1 [(buf.validate.field).required = true]; }
message Around { Order order = 1; }
message Plain { string name = 1; Plain again = 2; }
message Unclear { string pattern = 1; string text = 2;
  option (buf.validate.message).cel = {
    id: "text", message: "no match", expression: "this.text.matches(this.pattern)"
  };
}
message Wrong { Broken inside = 1; }
message Broken {
  string name = 1 [(buf.validate.field).cel = {id: "b", message: "m", expression: "this >"}];
}
"""

GOOD = {"id": "6f2c4e9a-4b0a-4f43-9e58-0d3f5c5b6a51", "count": 3, "shelf": "A"}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> DescriptorPool:
    folder = tmp_path_factory.mktemp("protos")
    (folder / "shop.proto").write_text(RULES)
    pool = DescriptorPool()
    for file in compile_folder(folder, "proto", Place("here")):
        pool.Add(file.proto)
    return pool


def compiled(pool: DescriptorPool, name: str) -> Validation | None:
    return Validation.compile(pool.FindMessageTypeByName(f"shop.{name}"))


def order(pool: DescriptorPool, **fields: Any) -> Message:
    return message_class(pool.FindMessageTypeByName("shop.Order"))(**{**GOOD, **fields})


def refused(pool: DescriptorPool, message: Message) -> tuple[str, dict[str, str]]:
    """The text of the refusal, and what it says of each field."""
    validation = Validation.compile(message.DESCRIPTOR)
    assert validation is not None
    with pytest.raises(RequestError) as raised:
        validation.check(message)
    assert raised.value.http_status == 400
    told: dict[str, str] = {}
    for detail in raised.value.status.details:
        assert detail.type_url == "type.googleapis.com/google.rpc.BadRequest"
        violations = error_details_pb2.BadRequest.FromString(detail.value).field_violations
        told |= {violation.field: violation.description for violation in violations}
    return raised.value.status.message, told


def test_a_good_message_passes(pool: DescriptorPool):
    validation = compiled(pool, "Order")
    assert validation is not None
    validation.check(order(pool))
    assert repr(validation) == "<Validation of shop.Order>"


def test_every_field_at_fault_is_told_by_its_proto_path(pool: DescriptorPool):
    message: Any = order(pool, id="7", count=12)
    message.lines.add(name="a")
    message.lines.add()
    message.by_name["k.x"].SetInParent()
    message.by_flag[True].SetInParent()
    text, told = refused(pool, message)
    assert told == {
        "id": "must be a valid UUID",
        "count": "must be greater than 0 and less than 10",
        "lines[1].name": "value is required",
        "by_name[k.x].name": "value is required",
        "by_flag[true].name": "value is required",
    }
    assert text.endswith("(and 4 more)")


def test_a_rule_of_the_whole_message_names_no_field(pool: DescriptorPool):
    text, told = refused(pool, order(pool, count=4))
    assert (text, told) == ("four is not sold here", {"": "four is not sold here"})


def test_a_required_oneof_is_told_by_its_name(pool: DescriptorPool):
    message: Any = order(pool)
    message.ClearField("shelf")
    assert refused(pool, message)[1] == {"place": "exactly one field is required in oneof"}


def test_rules_inside_of_other_messages_count(pool: DescriptorPool):
    around: Any = message_class(pool.FindMessageTypeByName("shop.Around"))()
    around.order.CopyFrom(order(pool, count=0))
    assert [*refused(pool, around)[1]] == ["order.count"]


def test_only_the_first_of_many_are_told(pool: DescriptorPool):
    message: Any = order(pool)
    for _ in range(MOST_TOLD + 5):
        message.lines.add()
    text, told = refused(pool, message)
    assert len(told) == MOST_TOLD
    assert text == f"value is required (and {MOST_TOLD - 1} more)"


def test_of_a_large_message_only_the_first_is_told(pool: DescriptorPool):
    """All of them would take seconds, in which nobody else is answered, for a body of 60 KB."""
    message: Any = order(pool)
    for _ in range(MOST_LOOKED_AT):
        message.by_name[str(len(message.by_name))].SetInParent()
    message.lines.add()
    text, told = refused(pool, message)
    assert len(told) == 1
    assert text == "value is required"


def test_a_map_key_of_a_client_is_cut_and_escaped(pool: DescriptorPool):
    message: Any = order(pool)
    message.by_name["a\n" + "b" * 100].SetInParent()
    [path] = refused(pool, message)[1]
    assert path == f"by_name[a\\n{'b' * 38}...].name"


def test_a_rule_that_fails_refuses_the_request(pool: DescriptorPool):
    unclear = message_class(pool.FindMessageTypeByName("shop.Unclear"))(pattern="(", text="a")
    validation = Validation.compile(unclear.DESCRIPTOR)
    assert validation is not None
    with pytest.raises(
        RequestError, match=r"a rule of shop\.Unclear cannot be evaluated"
    ) as raised:
        validation.check(unclear)
    assert raised.value.http_status == 500


def test_a_type_without_rules_has_no_validation(pool: DescriptorPool):
    assert compiled(pool, "Plain") is None


def test_a_wrong_rule_is_found_when_it_is_compiled(pool: DescriptorPool):
    with pytest.raises(ValueError, match=r"the rules of shop\.Broken are wrong: "):
        compiled(pool, "Wrong")


def test_a_folders_own_copy_of_the_rules_is_used(tmp_path: Path, pool: DescriptorPool):
    own = pool.FindFileByName("buf/validate/validate.proto").package
    (tmp_path / "buf/validate").mkdir(parents=True)
    (tmp_path / "buf/validate/validate.proto").write_text(
        f'syntax = "proto3"; package {own}; message Own {{}}'
    )
    (tmp_path / "a.proto").write_text(
        'syntax = "proto3"; import "buf/validate/validate.proto";'
        " message A { buf.validate.Own o = 1; }"
    )
    files = {file.name: file for file in compile_folder(tmp_path, "proto", Place("here"))}
    assert [
        message.name for message in files["buf/validate/validate.proto"].proto.message_type
    ] == ["Own"]
