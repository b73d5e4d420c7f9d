"""scikit-learn's classifiers, trained on features.

Images are refused: flatten them first, so that whoever attacks the classifier attacks the very inputs that it takes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import joblib
from art.estimators.classification import SklearnClassifier
from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree

from tiltyard import task
from tiltyard_plugins.toolbox import Seed, seeded
from tiltyard_plugins.types import Dataset, Estimator, Model

Kind = Annotated[
    Literal[
        "logistic_regression",
        "svc",
        "linear_svc",
        "random_forest",
        "extra_trees",
        "gradient_boosting",
        "hist_gradient_boosting",
        "decision_tree",
        "nearest_neighbours",
        "naive_bayes",
        "mlp",
    ],
    "only logistic_regression, svc and linear_svc have the gradients that white-box attacks need",
]

_KINDS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "logistic_regression": (linear_model.LogisticRegression, {"max_iter": 1000}),
    "svc": (
        svm.SVC,
        {"probability": False},
    ),  # its own default is no boolean any more, and ART takes it for true
    "linear_svc": (svm.LinearSVC, {}),
    "random_forest": (ensemble.RandomForestClassifier, {}),
    "extra_trees": (ensemble.ExtraTreesClassifier, {}),
    "gradient_boosting": (ensemble.GradientBoostingClassifier, {}),
    "hist_gradient_boosting": (ensemble.HistGradientBoostingClassifier, {}),
    "decision_tree": (tree.DecisionTreeClassifier, {}),
    "nearest_neighbours": (neighbors.KNeighborsClassifier, {}),
    "naive_bayes": (naive_bayes.GaussianNB, {}),
    "mlp": (neural_network.MLPClassifier, {"max_iter": 500}),
}


@task(tags=["model", "training", "scikit-learn"])
def classifier(
    dataset: Dataset,
    *,
    kind: Kind = "logistic_regression",
    options: Annotated[Mapping[str, Any], "for scikit-learn's class, such as {C: 10}"] | None = None,
    seed: Seed = 0,
) -> Model:
    """Train one of scikit-learn's classifiers on the training part.

    Args:
        dataset: features (n, features); flatten images first (`as_features`, or `flat` where they are loaded).
        kind: which classifier.
        options: its own, over the ones here.
        seed: of its random numbers, where it draws any.
    """
    if len(dataset.shape) != 1:
        raise ValueError(
            f"scikit-learn takes features (n, features), and {dataset.name} has images of {dataset.shape}: flatten them first"
        )
    made, defaults = _KINDS[kind]
    model = made(**defaults | dict(options or {}))
    if "random_state" in model.get_params():
        model.set_params(random_state=seed)
    with seeded(seed):
        return model.fit(dataset.x_train, dataset.y_train)


@task(tags=["model", "scikit-learn"])
def wrap(
    model: Model,
    *,
    clip: Annotated[tuple[float, float], "smallest and largest value of an input"] = (0.0, 1.0),
) -> Estimator:
    """Wrap a trained scikit-learn classifier as an estimator, with gradients where ART knows them."""
    if getattr(model, "probability", None) == "deprecated":
        model.probability = False  # scikit-learn's word for "no", which ART takes for "yes"
    return SklearnClassifier(model=model, clip_values=clip)


@task(tags=["model", "save", "scikit-learn"])
def save_model(
    model: Model, path: Annotated[Path, "the file to write"]
) -> Annotated[Path, "the file that was written"]:
    """Save a scikit-learn classifier with joblib."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, path)
    return path


@task(tags=["model", "load", "scikit-learn"])
def load_model(path: Annotated[Path, "a file that `save_model` wrote"]) -> Model:
    """Load a scikit-learn classifier. Loading runs what is in the file: load none that you would not run."""
    return joblib.load(path)
