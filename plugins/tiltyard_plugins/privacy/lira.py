"""The likelihood ratio attack: is the model surer of an input than models are that never saw it?"""

from typing import Annotated, Any

import numpy as np
import sklearn
from scipy.stats import norm
from sklearn.model_selection import StratifiedShuffleSplit

from tiltyard import task
from tiltyard_plugins.models.estimators import predict_probabilities
from tiltyard_plugins.privacy.scores import Members, Rates, Scores, membership_rates
from tiltyard_plugins.toolbox import Seed, seeded
from tiltyard_plugins.types import Dataset, Estimator, Model

TINY = 1e-4
"""Probabilities are kept this far from 0 and 1, where forests put them, so that their log odds stay finite."""


@task(
    tags=["privacy", "membership-inference", "black-box", "NISTAML.033", "AML.T0024.000"],
    outputs={"rates": Rates, "scores": Scores, "members": Members},
)
def lira(
    estimator: Estimator,
    dataset: Annotated[Dataset, "the one that the model was trained on; best split into halves (test 0.5)"],
    *,
    shadow: Annotated[
        Model | None, "a classifier of scikit-learn, to be cloned; none: of the attacked model's kind"
    ] = None,
    shadows: Annotated[int, "how many to train, 4 or more"] = 16,
    online: Annotated[bool, "compare with shadows that saw the input, too"] = False,
    seed: Seed = 0,
) -> tuple[Rates, Scores, Members]:
    """Train shadow models on random halves of the data, and compare the model's confidence with theirs, input by input.

    Offline, the score says how unlikely so much confidence is among the shadows that did not see the input; online, it is the
    log likelihood ratio of those that did and those that did not. The spread is one for all inputs, as the authors advise for
    few shadows. Threat model: black box with probabilities; the attacker has data of the same kind, the inputs in question
    among it, and trains models of their own. Source: N. Carlini et al., "Membership Inference Attacks From First Principles",
    S&P 2022, arXiv:2112.03570. NIST AI 100-2: membership inference (NISTAML.033). MITRE ATLAS: AML.T0024.000.
    """
    if shadows < 4:
        raise ValueError("fewer than 4 shadows give no spread to compare with")
    template = _template(estimator, shadow)
    inputs = np.concatenate([dataset.x_train, dataset.x_test])
    labels = np.concatenate([dataset.y_train, dataset.y_test])
    members = np.arange(len(labels)) < len(dataset.y_train)
    own = _log_odds(predict_probabilities(estimator, inputs), labels)
    theirs, saw = _shadows(template, inputs, labels, shadows, seed)
    rated = ~saw.all(axis=0) & (
        saw.any(axis=0) | (not online)
    )  # by chance, every shadow may have seen an input
    scores = _scores(own, theirs, saw, online=online)[rated]
    return membership_rates(scores, members[rated]), scores, members[rated]


def _template(estimator: Any, shadow: Any) -> Any:
    template = estimator.model if shadow is None else shadow
    if not isinstance(template, sklearn.base.ClassifierMixin) or not hasattr(template, "predict_proba"):
        raise TypeError(
            "shadows are classifiers of scikit-learn that give probabilities: name one as the shadows' kind"
        )
    return template


def _shadows(template: Any, inputs: Any, labels: Any, count: int, seed: int) -> tuple[Any, Any]:
    """The shadows' log odds of the true labels (shadows, n), and which inputs each saw."""
    table = np.reshape(inputs, (len(inputs), -1))
    odds, saw = np.empty((count, len(labels))), np.zeros((count, len(labels)), bool)
    halves = StratifiedShuffleSplit(count, train_size=0.5, random_state=seed).split(table, labels)
    with seeded(seed):
        for number, (half, _) in enumerate(halves):
            model = sklearn.base.clone(template)
            if "random_state" in model.get_params():
                model.set_params(random_state=seed + number)
            model.fit(table[half], labels[half])
            odds[number] = _log_odds(model.predict_proba(table), labels)
            saw[number, half] = True
    return odds, saw


def _log_odds(probabilities: Any, labels: Any) -> Any:
    own = np.clip(np.asarray(probabilities, np.float64)[np.arange(len(labels)), labels], TINY, 1 - TINY)
    return np.log(own / (1 - own))


def _scores(own: Any, theirs: Any, saw: Any, *, online: bool) -> Any:
    """How much likelier each input is a member."""
    outside, spread_outside = _bell(np.ma.masked_array(theirs, saw))
    if not online:
        return -norm.logsf(own, outside, spread_outside)
    inside, spread_inside = _bell(np.ma.masked_array(theirs, ~saw))
    return norm.logpdf(own, inside, spread_inside) - norm.logpdf(own, outside, spread_outside)


def _bell(odds: Any) -> tuple[Any, float]:
    """Each input's mean, and the spread around it of all."""
    middle = odds.mean(axis=0)
    return middle.filled(0), float(max((odds - middle).std(), TINY))
