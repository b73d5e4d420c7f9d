"""An attack that quietly fails is never taken for a robust model."""

from typing import Any

import numpy as np
import pytest

from tests.plugins.victims import flat_digits, logistic, some, some_images
from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.evasion.crafting import AttackFailed, Budget, WeakAttack, craft
from tiltyard_plugins.evasion.gradient import fgm, pgd
from tiltyard_plugins.evasion.minimal import carlini_wagner_linf, jsma
from tiltyard_plugins.models.classic import classifier, wrap

WEAK: dict[str, Any] = {"iterations": 3, "rate": 0.001, "weight": 1e-5}


class Doing:
    """An attack that does with the inputs what a test says."""

    def __init__(self, change: Any) -> None:
        self.change = change

    def generate(self, x: Any, **_: Any) -> Any:
        return self.change(x)


def crafted(change: Any, **options: Any) -> Any:
    x, y = some(20)
    return craft(lambda: Doing(change), logistic(), x, y, seed=0, **options)  # type: ignore[arg-type, return-value]


def test_an_attack_that_changes_nothing_fails() -> None:
    x, y = some(10)
    with pytest.raises(AttackFailed, match="not a robust model"):
        carlini_wagner_linf(logistic(), x, y, **WEAK)


def test_who_goes_on_with_a_weak_attack_is_warned() -> None:
    x, y = some(10)
    with pytest.warns(WeakAttack, match="left 10 of 10 inputs as they were"):
        attacked = carlini_wagner_linf(logistic(), x, y, **WEAK, allow_weak=True)
    assert np.array_equal(attacked, x)


def test_an_attack_without_bound_that_does_not_win_fails() -> None:
    with pytest.raises(AttackFailed, match="may change the inputs as it likes, and won only 0 of"):
        crafted(lambda x: x + 0.001)
    assert len(crafted(lambda x: x + 0.001, budget=Budget(norm="linf", eps=0.01), expect="change")) == 20


def test_a_bounded_attack_that_moves_little_fails() -> None:
    with pytest.raises(AttackFailed, match="left 20 of 20"):
        crafted(lambda x: x, budget=Budget(norm="linf", eps=0.1), expect="change")
    assert np.array_equal(crafted(lambda x: x, expect="nothing"), some(20)[0])


def test_leaving_the_budget_fails_whatever_is_allowed() -> None:
    with pytest.raises(AttackFailed, match=r"went 0\.2 far in linf; its budget is 0\.1"):
        crafted(lambda x: np.clip(x - 0.2, 0, 1), budget=Budget(norm="linf", eps=0.1), allow_weak=True)


def test_what_is_no_number_fails_whatever_is_allowed() -> None:
    with pytest.raises(AttackFailed, match="no numbers"):
        crafted(lambda x: x * np.nan, allow_weak=True)


def test_gradients_that_a_model_hides_are_caught() -> None:
    # Scores this steep are 0 and 1 to the last bit: the gradient of their loss is nothing, and nobody can climb it.
    model = classifier(flat_digits())
    model.coef_ *= 1e6
    x, y = some(50)
    with pytest.raises(AttackFailed, match="hides its gradients"):
        fgm(wrap(model), x, y)


@pytest.mark.parametrize("restarts", [0, 1])
def test_a_random_start_does_not_pass_for_an_attack_where_the_loss_is_flat(restarts: int) -> None:
    model = classifier(flat_digits())
    model.coef_ *= 1e6
    x, y = some(50)
    with pytest.raises(AttackFailed, match="hides its gradients"):
        pgd(wrap(model), x, y, restarts=restarts)
    with pytest.warns(WeakAttack, match="flat at|left"):
        pgd(wrap(model), x, y, restarts=restarts, allow_weak=True)
    pgd(logistic(), x, y, eps=0.01, restarts=restarts)


def test_auto_pgd_on_a_network_that_hides_its_gradients_says_nothing_of_it() -> None:
    torch = pytest.importorskip("torch")
    from tiltyard_plugins.evasion.adaptive import auto_pgd
    from tiltyard_plugins.models.torch_cnn import train_torch_cnn

    x, y = some_images(30)
    estimator = train_torch_cnn(digits(), epochs=4)
    auto_pgd(estimator, x, y, iterations=5)
    with torch.no_grad():
        last = estimator.model[1][-1]
        last.weight *= 1e4
        last.bias *= 1e4
    with pytest.raises(AttackFailed, match="flat at"):
        auto_pgd(estimator, x, y, iterations=5)
    auto_pgd(estimator, x, y, iterations=5, loss="logits_ratio")


def test_nothing_to_win_is_no_failure() -> None:
    x, y = some(10)
    wrong = (y + 1) % 10
    assert np.array_equal(jsma(logistic(), x, wrong), x)


def test_a_model_that_is_not_wrapped_is_told_what_it_needs() -> None:
    with pytest.raises(TypeError, match="`wrap`"):
        fgm(Doing(None), np.zeros((1, 64), dtype=np.float32), [0])
