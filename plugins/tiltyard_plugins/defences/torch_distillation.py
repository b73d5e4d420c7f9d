"""Defensive distillation, in torch: a second network learns the softened answers of the first.

ART's transformer has no temperature and wants probabilities. Here both networks are trained behind a softmax at the
temperature, and the student comes back without it. A teacher that was trained at temperature 1 teaches nothing but its scores.
"""

from typing import Annotated, Any

import numpy as np
import torch
from art.defences.transformer.evasion import DefensiveDistillation
from art.estimators.classification import PyTorchClassifier
from torch import nn

from tiltyard import task
from tiltyard_plugins.models.torch_cnn import wrap_torch
from tiltyard_plugins.toolbox import Seed, as_inputs, seeded
from tiltyard_plugins.types import Dataset, Estimator, Model


class _Softened(nn.Module):  # type: ignore[misc]
    """A network's probabilities at a temperature."""

    def __init__(self, network: Any, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, inputs: Any) -> Any:
        return torch.softmax(self.network(inputs) / self.temperature, dim=1)


class _Crossing(nn.Module):  # type: ignore[misc]
    """Cross entropy of probabilities; torch's own would put a second softmax on them."""

    def forward(self, said: Any, wanted: Any) -> Any:
        return -(wanted * torch.log(said.clamp_min(1e-12))).sum(dim=1).mean()


@task(tags=["defence", "training", "distillation", "torch", "AML.M0003"])
def defensive_distillation(
    teacher: Annotated[Model, "a torch network that gives scores (logits), not trained"],
    student: Annotated[Model, "another of the same make, not trained"],
    dataset: Dataset,
    *,
    temperature: Annotated[float, "by which scores are divided in training, 1 or more"] = 20.0,
    epochs: Annotated[int, "how often the training part is gone through, by each of the two"] = 20,
    batch: Annotated[int, "inputs in a batch"] = 64,
    rate: Annotated[float, "learning rate of Adam"] = 0.005,
    seed: Seed = 0,
) -> Estimator:
    """Train a teacher at a high temperature, a student on what that one says, and use the student at temperature 1.

    Its scores are then so large that the gradients vanish, and attacks along the loss stop without having failed (ours say so:
    `AttackFailed`). Attacks on decisions and Carlini and Wagner's break it, and it is here to show that. Source: N. Papernot et
    al., "Distillation as a Defense to Adversarial Perturbations against Deep Neural Networks", S&P 2016, arXiv:1511.04508;
    broken by N. Carlini, D. Wagner, S&P 2017, arXiv:1608.04644. Against: NIST AI 100-2 evasion (NISTAML.022). MITRE ATLAS:
    AML.M0003.
    """
    if temperature < 1:
        raise ValueError(f"the temperature is 1 or more, not {temperature:g}")
    learner = wrap_torch(student, shape=dataset.shape, classes=dataset.classes, rate=rate, clip=dataset.clip)
    tutor = wrap_torch(teacher, shape=dataset.shape, classes=dataset.classes, rate=rate, clip=dataset.clip)
    wise, learning = (_estimator(each, temperature, rate, dataset) for each in (tutor, learner))
    inputs, wanted = as_inputs(dataset.x_train), np.eye(dataset.classes, dtype=np.float32)[dataset.y_train]
    with seeded(seed):
        wise.fit(inputs, wanted, batch_size=batch, nb_epochs=epochs)
        DefensiveDistillation(wise, batch_size=batch, nb_epochs=epochs)(inputs, learning)
    return learner


def _estimator(estimator: Any, temperature: float, rate: float, dataset: Any) -> Any:
    return PyTorchClassifier(
        model=_Softened(estimator.model, temperature),
        loss=_Crossing(),
        optimizer=torch.optim.Adam(estimator.model.parameters(), lr=rate),
        input_shape=dataset.shape,
        nb_classes=dataset.classes,
        channels_first=False,
        device_type="gpu" if torch.cuda.is_available() else "cpu",
    )
