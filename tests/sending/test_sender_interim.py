"""An endpoint that answers 1xx without end costs one attempt, not the process."""

import pytest
from tests.sending.peers import Run, answers, reply_of


@pytest.mark.parametrize("interim", [0, 1, 8])
def test_a_few_interim_answers_are_borne(run: Run, interim: int) -> None:
    answer = b"HTTP/1.1 103 Early Hints\r\n\r\n" * interim + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    async def main() -> None:
        assert (await reply_of(answers(answer))).status == 200

    run(main)


def test_too_many_interim_answers_fail_the_attempt_at_once(run: Run) -> None:
    async def main() -> None:
        reply = await reply_of(answers(b"HTTP/1.1 100 Continue\r\n\r\n" * 5000))
        assert reply.status is None
        assert "interim (1xx) answers" in reply.error
        assert not reply.timed_out

    run(main)
