"""Reading answers: one that is known is judged as the parser would judge it, whatever came before."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sending.test_sender_hostile import FORMS, IN_DOUBT, NO_ANSWERS, SURPLUS

from adjourn.sending.http1.answer import Answer, KnownAnswers, NotHttp
from adjourn.sending.policy import Reply

Judgement = tuple[Reply | str | None, bool, bool]
"""The reply or what is wrong, whether it is over, and whether the connection may serve again."""

CLEAN = [*FORMS.values(), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: now\r\n\r\n"]
SAID = [*CLEAN, *IN_DOUBT.values(), *NO_ANSWERS.values(), *(whole + more for whole, more in SURPLUS)]


class Unknown(KnownAnswers):
    """Remembers nothing."""

    def add(self, data: bytes, reply: Reply) -> None:
        pass


def judge(answer: Answer, pieces: Iterable[bytes]) -> Judgement:
    answer.begin()
    try:
        for piece in pieces:
            if not answer.is_over:
                answer.feed(piece)
    except NotHttp as exc:
        return str(exc), True, False
    reply = answer.reply() if answer.is_over else None
    return reply, answer.is_over, answer.is_over and answer.is_clean


def judgements(known: KnownAnswers, said: Sequence[Sequence[bytes]]) -> list[Judgement]:
    """Of one answer after another: over the same connection while it may serve again, else over a new one."""
    answer = Answer(known)
    found: list[Judgement] = []
    for pieces in said:
        found.append(judge(answer, pieces))
        if not found[-1][2]:
            answer = Answer(known)
    return found


def in_two(data: bytes) -> st.SearchStrategy[list[bytes]]:
    cuts = st.integers(1, max(len(data) - 1, 1))
    return st.just([data]) | cuts.map(lambda cut: [each for each in (data[:cut], data[cut:]) if each])


@given(st.lists(st.sampled_from(SAID).flatmap(in_two), max_size=12))
def test_what_is_known_changes_no_judgement(said: list[list[bytes]]) -> None:
    assert judgements(KnownAnswers(), said) == judgements(Unknown(), said)


@pytest.mark.parametrize("data", CLEAN)
def test_a_whole_answer_is_known_to_every_connection(data: bytes) -> None:
    known = KnownAnswers()
    first, again, other = Answer(known), Answer(known), Answer(known)
    expected = judge(first, [data])
    assert expected[1:] == (True, True)
    assert judge(again, [data])[0] is expected[0]
    assert judge(first, [data])[0] is expected[0]
    assert judge(other, [data[:9], data[9:]]) == expected


@pytest.mark.parametrize("data", [*IN_DOUBT.values(), *(whole + more for whole, more in SURPLUS)])
def test_what_leaves_doubt_is_not_remembered(data: bytes) -> None:
    known = KnownAnswers()
    judge(Answer(known), [data])
    assert known.find(data) is None


def test_an_answer_to_head_is_not_taken_for_another() -> None:
    known = KnownAnswers()
    answer = Answer(known)
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    answer.begin(has_body=False)
    answer.feed(data)
    assert (answer.is_over, answer.is_clean) == (True, False)
    answer = Answer(known)
    answer.begin()
    answer.feed(data)
    assert not answer.is_over
    answer.feed(b"ok")
    assert answer.reply().start == b"ok"
    answer = Answer(known)
    answer.begin()
    answer.feed(data + b"ok")
    answer.reply()
    answer = Answer(known)
    answer.begin(has_body=False)
    answer.feed(data + b"ok")
    assert not answer.is_clean


def test_only_so_many_are_remembered_and_no_long_ones() -> None:
    known = KnownAnswers()
    reply = Reply(status=200)
    known.add(b"x" * 1025, reply)
    assert known.find(b"x" * 1025) is None
    for number in range(5000):
        known.add(b"%d" % number, reply)
    assert sum(known.find(b"%d" % number) is not None for number in range(5000)) <= 512
    assert known.find(b"4999") is reply
