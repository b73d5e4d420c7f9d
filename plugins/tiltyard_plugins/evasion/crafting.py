"""How every evasion task runs its attack: seeded, in float32, held to its budget, and caught when it did nothing.

Only inputs that the attack has not won before it began are attacked: those that the model gets right, or, with a target,
those that it does not take for the target. The others come back as they are.

An attack that quietly fails looks like a robust model. So `craft` raises `AttackFailed`, unless `allow_weak` is set, when

- the attack has no bound, so that it could always win, and over half of the attacked inputs came back unchanged or held;
- the attack moves every input, won or not, and over half came back unchanged;
- the attack climbs the model's loss, and the loss is flat at over half of the attacked inputs: a random start moves them all
  the same, and the accuracy that is left would read as robustness.

An attack within a bound that gives back the input itself where it did not win (AutoAttack, pixel, threshold) cannot be told
from a robust model by its result alone: nothing is expected of it. What is no number, or lies outside the budget, always fails.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from art.attacks import EvasionAttack
from art.exceptions import EstimatorError

from tiltyard_plugins.evasion.options import number_of
from tiltyard_plugins.models.estimators import predict
from tiltyard_plugins.toolbox import alone, as_inputs, as_labels, seeded

__all__ = ["AttackFailed", "Budget", "WeakAttack", "craft", "within"]

UNCHANGED = 1e-6
"""A change of no more than this, as a share of the inputs' range, is none: float32 rounds that much."""
ENOUGH = 0.5
Expectation = Literal["win", "change", "nothing"]


class AttackFailed(Exception):
    """The attack did nothing, or nearly nothing, or not what it says: its result says nothing about the model."""


class WeakAttack(UserWarning):
    """What `AttackFailed` would have said, where the experimenter goes on all the same."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How far an attack may go: what it brings back is held to it."""

    norm: str
    eps: float


def craft(
    make: Callable[[], EvasionAttack],
    estimator: Any,
    inputs: Any,
    labels: Any,
    *,
    seed: int,
    target: int | None = None,
    budget: Budget | None = None,
    expect: Expectation = "win",
    climbs: bool = False,
    allow_weak: bool = False,
) -> Any:
    """Attack the inputs that are still to be won, and judge what came back.

    Args:
        make: makes ART's attack; called once everything is seeded.
        estimator: whom to attack.
        inputs: float32 (n, ...), within the estimator's clip range.
        labels: what the inputs are, (n,).
        seed: of everything that is drawn.
        target: what all inputs shall be taken for; None: for anything wrong.
        budget: the norm ball that the result must lie in.
        expect: what the attack must do to most inputs if it is any good; see above.
        climbs: whether it follows the gradient of the estimator's own loss, and of nothing else.
        allow_weak: warn, and do not raise, when the attack hardly did anything.
    """
    clean, truth = within(estimator, inputs), as_labels(labels)
    goal = truth if target is None else np.full_like(truth, target)
    attacked = clean.copy()
    said = predict(estimator, clean)
    open_ = said == truth if target is None else said != goal
    if not open_.any() or (budget is not None and budget.eps == 0):
        return attacked
    with seeded(seed), np.errstate(all="ignore"):  # what is no number is caught below
        attack = _made(make, estimator)
        attacked[open_] = _generated(attack, clean[open_], goal[open_])
    name = type(attack).__name__
    attacked = np.clip(attacked, *_clip(estimator))
    _hold(name, attacked[open_] - clean[open_], budget)
    after = predict(estimator, attacked[open_])
    won = after != goal[open_] if target is None else after == goal[open_]
    changed = np.abs(attacked[open_] - clean[open_]).reshape(len(won), -1).max(axis=1) > UNCHANGED
    weakness = _weakness(won, changed, expect)
    if climbs and not weakness:
        weakness = _flatness(estimator, clean[open_], goal[open_])
    if weakness:
        if not allow_weak:
            raise AttackFailed(f"{name} {weakness}")
        warnings.warn(f"{name} {weakness}", WeakAttack, stacklevel=3)
    return attacked


def within(estimator: Any, inputs: Any) -> Any:
    """Inputs as float32; refused where they leave the range that the estimator was told."""
    clean = as_inputs(inputs)
    low, high = _clip(estimator)
    if len(clean) and (clean.min() < low - UNCHANGED or clean.max() > high + UNCHANGED):
        raise ValueError(
            f"inputs go from {clean.min():g} to {clean.max():g}, and the model's from {low:g} to {high:g}"
        )
    return clean


def _clip(estimator: Any) -> tuple[float, float]:
    if not hasattr(estimator, "clip_values"):
        raise TypeError(
            f"a {type(estimator).__name__} is not wrapped yet: an attack takes what `wrap`, `wrap_torch` or `wrap_keras` gives"
        )
    low, high = estimator.clip_values if estimator.clip_values is not None else (-np.inf, np.inf)
    return float(np.min(low)), float(np.max(high))


def _made(make: Callable[[], EvasionAttack], estimator: Any) -> Any:
    try:
        return make()
    except EstimatorError as error:
        needs = ", ".join(getattr(kind, "__name__", str(kind)) for kind in error.class_expected_list)
        raise TypeError(
            f"{error.this_class.__name__} cannot attack a {type(estimator).__name__}: it needs {needs}. Attacks on decisions "
            "(hop_skip_jump, boundary) and zoo take any model; square, pixel and threshold take any behind black_box"
        ) from error


def _generated(attack: Any, clean: Any, goal: Any) -> Any:
    result = as_inputs(attack.generate(x=clean, y=goal))
    if not np.isfinite(result).all():
        raise AttackFailed(f"{type(attack).__name__} brought back values that are no numbers")
    return result


def _hold(name: str, change: Any, budget: Budget | None) -> None:
    if budget is None:
        return
    largest = float(np.linalg.norm(change.reshape(len(change), -1), number_of(budget.norm), axis=1).max())
    if largest > budget.eps * 1.001 + UNCHANGED:
        raise AttackFailed(f"{name} went {largest:g} far in {budget.norm}; its budget is {budget.eps:g}")


def _flatness(estimator: Any, clean: Any, goal: Any) -> str | None:
    """What is wrong with the loss that an attack climbed, in words that follow its name."""
    wanted = np.eye(estimator.nb_classes, dtype=np.float32)[goal]
    with alone():
        slopes = np.asarray(estimator.loss_gradient(clean, wanted))
    flat = ~np.any(slopes.reshape(len(clean), -1), axis=1)
    if np.mean(flat) <= ENOUGH:
        return None
    return (
        f"climbs the model's loss, which is flat at {np.sum(flat)} of {len(flat)} inputs: that is a failed attack, not a "
        "robust model. The model hides its gradients: attack the decisions (hop_skip_jump), or take auto_pgd with another loss"
    )


def _weakness(won: Any, changed: Any, expect: Expectation) -> str | None:
    """What is wrong with an attack's result, in words that follow its name."""
    if expect != "nothing" and np.mean(changed) < ENOUGH:
        return (
            f"left {np.sum(~changed)} of {len(changed)} inputs as they were: that is a failed attack, not a robust model. "
            "Give it more iterations or another step size, or look whether the model hides its gradients"
        )
    if expect == "win" and np.mean(won) < ENOUGH:
        return (
            f"may change the inputs as it likes, and won only {np.sum(won)} of {len(won)}: it is badly set, or the model "
            "hides its gradients. Give it more iterations, or attack the decisions (hop_skip_jump)"
        )
    return None
