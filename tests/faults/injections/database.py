"""Faults of the database: its connections break, it is away, or slow. No job is executed anew by that."""

import random
import time

from tests.faults.scene import Bite, Scene
from tests.faults.yard import LEASE_SECONDS

START_SECONDS = 60.0
AWAY_SECONDS = 3 * LEASE_SECONDS
SLOW_SECONDS = 3.0
SLOW = (
    """CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(random() * 0.1); RETURN NULL; END $$""",
    """CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON event DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION be_slow()""",
)
"""Each event that is written makes its commit late, by a different time: what began earlier is seen later."""
QUICK_AGAIN = ("DROP TRIGGER slow ON event", "DROP FUNCTION be_slow()")


class DatabaseRestarted:
    """An immediate shutdown, as a crash is one, and a start with recovery."""

    name = "database restarted"
    needs_rabbitmq = False

    def inject(self, scene: Scene, _rng: random.Random) -> Bite:
        held = scene.yard.ledger.held()
        bite = Bite(hit=f"{len(held)} jobs held", bit=bool(held), heal=scene.yard.postgres.start)
        scene.yard.postgres.drop_all()
        bite.recovered = lambda: scene.witness.any_start(bite.healed_at, seconds=START_SECONDS)
        return bite


class DatabaseAway:
    """No database for three leases: workers go on, and are heard again before any lease is taken away."""

    name = "database away"
    needs_rabbitmq = False

    def inject(self, scene: Scene, _rng: random.Random) -> Bite:
        held = scene.yard.ledger.held()
        bite = Bite(hit=f"{len(held)} jobs held", bit=bool(held), heal=scene.yard.postgres.start)
        scene.yard.postgres.drop_all()
        time.sleep(AWAY_SECONDS)
        bite.recovered = lambda: scene.witness.any_start(bite.healed_at, seconds=START_SECONDS)
        return bite


class CommitsSlow:
    """Commits take a while, each another one, so that they overtake one another: followers see all in order nevertheless."""

    name = "commits slow"
    needs_rabbitmq = False

    def inject(self, scene: Scene, _rng: random.Random) -> Bite:
        before = scene.yard.ledger.written()
        ledger = scene.yard.ledger
        bite = Bite(hit="", heal=lambda: ledger.do(*QUICK_AGAIN))
        ledger.do(*SLOW)
        time.sleep(SLOW_SECONDS)
        written = ledger.written() - before
        bite.hit, bite.bit = f"{written} events", written > 0
        bite.recovered = lambda: scene.witness.any_start(bite.healed_at, seconds=START_SECONDS)
        return bite
