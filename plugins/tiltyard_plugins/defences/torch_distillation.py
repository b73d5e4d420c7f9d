"""Defensive distillation, in torch: a second network learns the softened answers of the first.

ART's transformer has no temperature and wants probabilities. Here both networks are wrapped with a softmax at the temperature
for the training, and the student comes back without it.
"""

from typing import Annotated, Any

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
    teacher: Annotated[Estimator, "around a torch network, best trained at the same temperature"],
    student: Annotated[Model, "a network of the same make, not trained, that gives scores (logits)"],
    dataset: Dataset,
    *,
    temperature: Annotated[float, "by which scores are divided while the student learns, 1 or more"] = 20.0,
    epochs: Annotated[int, "how often the training part is gone through"] = 15,
    batch: Annotated[int, "inputs in a batch"] = 64,
    rate: Annotated[float, "learning rate of Adam"] = 0.005,
    seed: Seed = 0,
) -> Estimator:
    """Train the student on what the teacher says at a high temperature, and use it at temperature 1.

    Its gradients then vanish, so that attacks along the loss stop without having failed: it is broken by Carlini and Wagner's
    attack and by attacks on decisions, and is here to show that. Source: N. Papernot et al., "Distillation as a Defense to
    Adversarial Perturbations against Deep Neural Networks", S&P 2016, arXiv:1511.04508; broken by N. Carlini, D. Wagner, S&P
    2017, arXiv:1608.04644. Against: NIST AI 100-2 evasion (NISTAML.022). MITRE ATLAS: AML.M0003.
    """
    if temperature < 1:
        raise ValueError(f"the temperature is 1 or more, not {temperature:g}")
    learner = wrap_torch(student, shape=dataset.shape, classes=dataset.classes, rate=rate, clip=dataset.clip)
    softened = [_estimator(each, temperature, rate, dataset) for each in (teacher, learner)]
    with seeded(seed):
        distil = DefensiveDistillation(softened[0], batch_size=batch, nb_epochs=epochs)
        distil(as_inputs(dataset.x_train), softened[1])
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
