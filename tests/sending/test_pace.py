"""How fast a backlog drains, and what may be asked of a worker's pace."""

import pytest

from adjourn.sending.pace import Pacer
from adjourn.sending.worker import Pace


def test_an_allowance_grows_with_time_up_to_a_quarter_of_a_second() -> None:
    now = 0.0
    pacer = Pacer(200.0, clock=lambda: now)
    assert pacer.allowance("one") == 50
    pacer.spend("one", 50)
    assert (pacer.allowance("one"), pacer.allowance("other")) == (0, 50)
    now = 0.1
    assert pacer.allowance("one") == 20
    now = 10.0
    assert pacer.allowance("one") == 50


def test_workers_share_the_rate() -> None:
    now = 0.0
    pacer = Pacer(200.0, clock=lambda: now)
    pacer.share(4)
    assert pacer.allowance("one") == 12
    pacer.spend("one", 12)
    now = 0.1
    assert pacer.allowance("one") == 5
    pacer.share(1)
    now = 0.2
    assert pacer.allowance("one") >= 20


@pytest.mark.parametrize(
    "wrong", [{"heartbeat": 16.0}, {"lease": 30.0}, {"heartbeat": 0.0}, {"margin": 60.0}, {"margin": 0.0}]
)
def test_a_heartbeat_is_at_most_a_quarter_of_the_lease(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="quarter of the lease"):
        Pace(**wrong)


def test_a_shorter_lease_takes_a_quicker_heartbeat() -> None:
    assert Pace(lease=30.0, heartbeat=7.5).lease == 30.0
