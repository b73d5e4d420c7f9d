"""When silence may be held against a worker."""

from tiltyard_orchestrator.domain.patience import Patience


def listen(patience: Patience, *, start: float, until: float, every: float = 5) -> bool:
    allowed, now = False, start
    while now <= until:
        allowed = patience.look(now, healthy=True)
        now += every
    return allowed


def test_a_new_keeper_listens_for_a_lease_and_a_quarter_first() -> None:
    patience = Patience(lease_seconds=60, look_seconds=5)
    assert not listen(patience, start=0, until=70)
    assert patience.look(75, healthy=True)


def test_a_database_that_was_away_starts_the_listening_anew() -> None:
    patience = Patience(lease_seconds=60, look_seconds=5)
    assert listen(patience, start=0, until=80)
    assert not patience.look(85, healthy=False)
    assert not listen(patience, start=90, until=160)
    assert patience.look(165, healthy=True)


def test_a_keeper_that_was_frozen_holds_its_own_silence_against_nobody() -> None:
    patience = Patience(lease_seconds=60, look_seconds=5)
    assert listen(patience, start=0, until=100)
    assert not patience.look(400, healthy=True)
    assert not listen(patience, start=405, until=470)
    assert patience.look(475, healthy=True)
