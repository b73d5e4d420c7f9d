"""The thief's own model, made ready to be trained on a victim's answers, and how good a copy it is.

A classifier of scikit-learn is cloned and wrapped; an estimator of a network is taken as it is made and trained anew.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from art.estimators.classification import BlackBoxClassifier, SklearnClassifier
from sklearn.base import ClassifierMixin, clone

from tiltyard import types
from tiltyard_plugins.models.estimators import predict, predict_probabilities
from tiltyard_plugins.types import Data, Model

__all__ = ["Answers", "Budget", "Copy", "Pool", "Thief", "asked", "rate_copy", "ready", "said_as", "taken"]

Thief = Annotated[
    Model,
    "the copy's make: a classifier of scikit-learn, or a wrapped network; it is not changed itself",
]
Pool = Annotated[
    types.Array,
    "the attacker's own inputs to ask with, as the victim takes them; unlike its training data, as a rule",
]
Budget = Annotated[int, "how many queries may be asked; the pool has as many inputs at least"]
Answers = Annotated[
    Literal["labels", "probabilities"],
    "what the victim answers; scikit-learn's classifiers can learn from labels alone",
]
Copy = Annotated[
    Mapping[str, float],
    "agreement: share of the test inputs of which the copy says what the victim says; accuracy and victim_accuracy: share of "
    "which each is right; queries asked; labels that the answers held",
]


class _Patient:
    """Lets scikit-learn's classifiers be trained as networks are, and knows the labels that it was never shown.

    With few queries some labels do not occur among the answers, and ART would count the columns of the others.
    """

    all_labels: int
    model: Any

    def fit(self, x: Any, y: Any, **_epochs_and_batches: Any) -> None:
        super().fit(x, y)  # type: ignore[misc]

    def predict(self, x: Any, **options: Any) -> Any:
        if not hasattr(self.model, "predict_proba"):
            return np.eye(self.all_labels, dtype=np.float32)[self.model.predict(x)]
        found = super().predict(x, **options)  # type: ignore[misc]
        every = np.zeros((len(found), self.all_labels), np.float32)
        every[:, self.model.classes_] = found
        return every


def asked(victim: Any) -> Any:
    """The victim as the thief sees it: probabilities and nothing else.

    A network's estimator gives scores before the softmax, and a copy that learns from those as if they were probabilities
    learns nothing.
    """
    return BlackBoxClassifier(
        lambda inputs: predict_probabilities(victim, inputs),
        input_shape=tuple(victim.input_shape),
        nb_classes=victim.nb_classes,
        clip_values=victim.clip_values,
    )


def ready(thief: Any, victim: Any) -> Any:
    """A fresh, untrained estimator of the thief's make."""
    if not isinstance(thief, ClassifierMixin):
        return thief.clone_for_refitting()
    inner = clone(thief)
    kind = type(SklearnClassifier(model=inner))
    wrapped = type(kind.__name__, (_Patient, kind), {"all_labels": victim.nb_classes})
    return wrapped(model=inner, clip_values=victim.clip_values)


def said_as(thief: Any, answers: str) -> bool:
    """Whether the victim's probabilities are to be learnt from; refused where the thief would only see the largest."""
    if answers == "probabilities" and isinstance(thief, ClassifierMixin):
        raise ValueError(
            "scikit-learn's classifiers learn from labels: ART would turn the probabilities into labels, unasked"
        )
    return answers == "probabilities"


def taken(pool: Any, budget: int) -> Any:
    """The pool, where it has enough inputs; ART would ask fewer times and not say so."""
    if not 0 < budget <= len(pool):
        raise ValueError(f"{budget} queries cannot be asked with a pool of {len(pool)} inputs")
    return np.asarray(pool, np.float32)


def rate_copy(victim: Any, copy: Any, dataset: Data, queries: int) -> Any:
    """Compare copy and victim on the test part."""
    original, copied = predict(victim, dataset.x_test), predict(copy, dataset.x_test)
    seen = getattr(copy.model, "classes_", None)
    return {
        "agreement": float(np.mean(original == copied)),
        "accuracy": float(np.mean(copied == dataset.y_test)),
        "victim_accuracy": float(np.mean(original == dataset.y_test)),
        "queries": queries,
        "labels": victim.nb_classes if seen is None else len(seen),
    }
