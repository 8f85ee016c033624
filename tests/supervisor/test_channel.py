"""The talk between parent and worker."""

import os
import socket

from proxy.supervisor.channel import Channel, Message


def test_messages_come_whole_and_in_order() -> None:
    one, other = Channel.pair()
    messages: list[Message] = [
        {"say": "ready", "report": ["é" * 9000]},
        {"say": "draining", "within_s": 1.5},
    ]
    for message in messages:
        assert one.send(message)
    assert list(other.receive()) == messages
    assert list(other.receive()) == []
    assert not other.ended
    one.close()
    other.close()


def test_the_end_is_noticed_behind_the_last_message() -> None:
    one, other = Channel.pair()
    one.send({"say": "problems"})
    one.close()
    assert list(other.receive()) == [{"say": "problems"}]
    assert other.ended
    assert list(other.receive()) == []
    assert not other.send({"do": "drain"})
    assert "ended" in repr(other)
    other.close()


def test_a_line_in_pieces_is_kept_over_a_change_of_programs() -> None:
    end, raw = socket.socketpair()
    channel = Channel(end)
    raw.sendall('{"say": "é'.encode()[:-1])
    assert list(channel.receive()) == []
    rest = channel.rest.decode("latin-1").encode("latin-1")
    channel.set_inheritable(True)
    again = Channel.of_descriptor(os.dup(channel.fileno()), rest)
    raw.sendall('é"}\n'.encode()[1:])
    assert list(again.receive()) == [{"say": "é"}]
    for each in (channel, again, raw):
        each.close()


def test_who_reads_nothing_blocks_nobody() -> None:
    one, other = Channel.pair()
    while one.send({"x": "y" * 4000}):
        continue
    assert not one.send({"x": "y" * 4000})
    one.close()
    other.close()


def test_half_a_line_is_owed_its_other_half() -> None:
    """A message that did not fit must not become the beginning of the next one."""
    one, other = Channel.pair()
    assert one.send({"number": 1, "larger than any buffer": "y" * (4 << 20)})
    assert not one.send({"number": 2})
    heard = []
    while not one.send({"number": 3}):
        heard += other.receive()
    heard += other.receive()
    assert [message["number"] for message in heard] == [1, 3]
    one.close()
    other.close()


def test_a_closed_end_sends_nothing() -> None:
    one, other = Channel.pair()
    one.close()
    assert not one.send({"say": "draining"})
    other.close()


def test_a_reset_is_an_end() -> None:
    one, other = Channel.pair()
    other.send({"never": "read"})
    other.send({"never": "read"})
    other.close()
    assert len(list(one.receive())) == 2
    assert one.ended
    one.close()
