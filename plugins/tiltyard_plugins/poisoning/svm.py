"""Poisoning a support vector machine with a few points that are moved to where they do most harm."""

from typing import Annotated, Any, Literal

import numpy as np
import sklearn
from art.attacks.poisoning import PoisoningAttackSVM
from art.estimators.classification.scikitlearn import ScikitlearnSVC
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from tiltyard import task
from tiltyard_plugins.poisoning.masks import Mask, PoisonFailed
from tiltyard_plugins.toolbox import Seed, seeded
from tiltyard_plugins.types import Data, Dataset

Kernel = Annotated[Literal["linear", "rbf", "poly"], "of the machine that is attacked"]


class _Machine(ScikitlearnSVC):  # type: ignore[misc]
    """ART's machine, whose kernel is asked for whole matrices at once: the same numbers in a hundredth of the time."""

    def q_submatrix(self, rows: Any, cols: Any) -> Any:
        signs = [np.where(self.model.predict(points) == 0, -1, 1) for points in (rows, cols)]
        return self._kernel(rows, cols) * np.outer(*signs)


@task(tags=["poisoning", "data"])
def two_labels(
    dataset: Dataset,
    *,
    first: Annotated[int, "this label becomes 0"] = 3,
    second: Annotated[int, "this one becomes 1"] = 8,
) -> Dataset:
    """Keep the inputs of two labels alone, which is what a support vector machine parts."""
    parts: dict[str, Any] = {}
    for part in ("train", "test"):
        labels = getattr(dataset, f"y_{part}")
        kept = (labels == first) | (labels == second)
        parts[f"x_{part}"] = getattr(dataset, f"x_{part}")[kept]
        parts[f"y_{part}"] = (labels[kept] == second).astype(np.int64)
    return dataset.with_(**parts, names=(dataset.names[first], dataset.names[second]))


@task(
    tags=["poisoning", "white-box", "NISTAML.013", "AML.T0020"],
    outputs={"dataset": Dataset, "poisoned": Mask, "flipped": Dataset},
)
def svm_poisoning(
    dataset: Annotated[Dataset, "features, two labels"],
    *,
    points: Annotated[int, "how many to add to the training part"] = 10,
    kernel: Kernel = "linear",
    penalty: Annotated[float, "the machine's C"] = 1.0,
    gamma: Annotated[float, "of the kernels rbf and poly"] = 0.05,
    step: Annotated[float, "how far a point moves at a time (L2)"] = 0.2,
    iterations: Annotated[int, "how often each moves, 2 or more"] = 10,
    validation: Annotated[int, "training inputs on which the attacker judges the harm"] = 60,
    seed: Seed = 0,
) -> tuple[Dataset, Mask, Dataset]:
    """Add wrongly labelled points and move each, by itself, up the validation loss of the machine.

    `flipped` is the control: the same points with the same wrong labels, not moved. What the attack adds is the difference
    between the two; for curved kernels it is often none, and ART does not say so.

    Threat model: white box; the attacker knows the training data and the machine, and adds points of their own. Source:
    B. Biggio, B. Nelson, P. Laskov, "Poisoning Attacks against Support Vector Machines", ICML 2012, arXiv:1206.6389.
    NIST AI 100-2: data poisoning (NISTAML.013). MITRE ATLAS: AML.T0020.
    """
    if dataset.classes != 2 or len(dataset.shape) != 1:
        raise ValueError(
            "a support vector machine parts two labels by features: see two_labels and as_features"
        )
    x, y = np.asarray(dataset.x_train, np.float64), dataset.y_train
    x_fit, x_judge, y_fit, y_judge = train_test_split(
        x, y, test_size=validation, stratify=y, random_state=seed
    )
    with seeded(seed) as random, sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        machine = SVC(kernel=kernel, C=penalty, gamma=gamma).fit(x_fit, y_fit)
        attack = PoisoningAttackSVM(
            _Machine(machine, clip_values=dataset.clip),
            step=step,
            eps=np.inf,  # run all iterations: ART would stop where the harm grows
            max_iter=iterations,
            verbose=False,
            x_train=x_fit,
            y_train=np.eye(2)[y_fit],
            x_val=x_judge,
            y_val=np.eye(2)[y_judge],
        )
        chosen = random.choice(len(x_fit), points, replace=False)
        starts, wrong = x_fit[chosen], 1 - y_fit[chosen]
        moved = _moved(attack, starts, wrong)
    if np.allclose(moved, starts):
        raise PoisonFailed(
            "no point moved: none is a support vector, and so none has a gradient. Lower the penalty"
        )
    return _added(dataset, moved, wrong), np.arange(len(x) + points) >= len(x), _added(dataset, starts, wrong)


def _moved(attack: Any, starts: Any, wrong: Any) -> Any:
    pairs = zip(starts, wrong, strict=True)
    return [attack.generate_attack_point(start.copy(), np.eye(2)[label])[0] for start, label in pairs]


def _added(dataset: Data, points: Any, labels: Any) -> Data:
    return dataset.with_(
        x_train=np.vstack([dataset.x_train, points]).astype(np.float32),
        y_train=np.append(dataset.y_train, labels),
    )
