"""Attacks that look for the smallest change that wins: JSMA (few values), DeepFool (L2), Carlini and Wagner (L2 and Linf).

Threat model: white box; no budget, so that an attack that does not win is a bad attack (see `crafting`): but JSMA, which
may change only a share of the values.
"""

from typing import Annotated, Any

from art.attacks.evasion import CarliniL2Method, CarliniLInfMethod, DeepFool, SaliencyMapMethod

from tiltyard import task
from tiltyard_plugins.evasion.crafting import craft
from tiltyard_plugins.evasion.options import AllowWeak, Iterations, Target
from tiltyard_plugins.toolbox import Seed
from tiltyard_plugins.types import Estimator, Inputs, Labels

BATCH = 128
Confidence = Annotated[float, "how far the wrong label's score must lie above the others"]
Rate = Annotated[float, "learning rate of the search"]


class _AnyWrong(SaliencyMapMethod):  # type: ignore[misc]
    """Draws wrong labels to aim at: ART takes the labels that it is given for the ones to aim at."""

    def generate(self, x: Any, y: Any = None) -> Any:  # noqa: ARG002 - the true labels are no targets
        return super().generate(x)


@task(tags=["evasion", "white-box", "NISTAML.022", "AML.T0043.000", "AML.T0015"])
def jsma(
    estimator: Estimator,
    inputs: Inputs,
    labels: Labels,
    *,
    theta: Annotated[float, "how much a value is changed at a time; below 0: downwards"] = 1.0,
    gamma: Annotated[float, "largest share of the values that are changed, 0 to 1"] = 0.5,
    target: Target = None,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Inputs:
    """Attack with the Jacobian saliency map: change a few values much, the ones that matter most for another label.

    White box, needs the gradients of all scores. Without a target each input gets a random wrong one. Source: N. Papernot et
    al., "The Limitations of Deep Learning in Adversarial Settings", EuroS&P 2016, arXiv:1511.07528.
    NIST AI 100-2: evasion (NISTAML.022). MITRE ATLAS: AML.T0043.000.
    """
    return craft(
        lambda: (_AnyWrong if target is None else SaliencyMapMethod)(
            estimator, theta=theta, gamma=gamma, batch_size=BATCH, verbose=False
        ),
        estimator,
        inputs,
        labels,
        seed=seed,
        target=target,
        expect="win" if gamma >= 1 else "change",
        allow_weak=allow_weak,
    )


@task(tags=["evasion", "white-box", "NISTAML.022", "AML.T0043.000", "AML.T0015"])
def deepfool(
    estimator: Estimator,
    inputs: Inputs,
    labels: Labels,
    *,
    iterations: Iterations = 50,
    overshoot: Annotated[float, "how far beyond the border to go, as a share of the way"] = 0.02,
    classes: Annotated[int, "how many labels are tried, the likeliest ones"] = 10,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Inputs:
    """Attack with DeepFool: step to the nearest border of a linear picture of the model, until it is crossed.

    White box, needs the gradients of all scores. Source: S. Moosavi-Dezfooli, A. Fawzi, P. Frossard, "DeepFool: a simple and
    accurate method to fool deep neural networks", CVPR 2016, arXiv:1511.04599.
    NIST AI 100-2: evasion (NISTAML.022). MITRE ATLAS: AML.T0043.000.
    """
    return craft(
        lambda: DeepFool(
            estimator,
            max_iter=iterations,
            epsilon=overshoot,
            nb_grads=classes,
            batch_size=BATCH,
            verbose=False,
        ),
        estimator,
        inputs,
        labels,
        seed=seed,
        allow_weak=allow_weak,
    )


@task(tags=["evasion", "white-box", "NISTAML.022", "AML.T0043.000", "AML.T0015"])
def carlini_wagner_l2(
    estimator: Estimator,
    inputs: Inputs,
    labels: Labels,
    *,
    confidence: Confidence = 0.0,
    iterations: Iterations = 100,
    rate: Rate = 0.1,
    searches: Annotated[int, "steps of the search for the weight of winning against nearness"] = 5,
    weight: Annotated[float, "that weight at the start"] = 1.0,
    target: Target = None,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Inputs:
    """Attack with Carlini and Wagner's method in L2: weigh winning against the squared distance, and search the weight.

    White box, needs the gradients of all scores. ART's own settings (10 iterations, rate 0.01) change most inputs not at all
    and say nothing; the ones here win. Source: N. Carlini, D. Wagner, "Towards Evaluating the Robustness of Neural Networks",
    S&P 2017, arXiv:1608.04644. NIST AI 100-2: evasion (NISTAML.022). MITRE ATLAS: AML.T0043.000.
    """
    return craft(
        lambda: CarliniL2Method(
            estimator,
            confidence=confidence,
            targeted=target is not None,
            learning_rate=rate,
            binary_search_steps=searches,
            max_iter=iterations,
            initial_const=weight,
            batch_size=BATCH,
            verbose=False,
        ),
        estimator,
        inputs,
        labels,
        seed=seed,
        target=target,
        allow_weak=allow_weak,
    )


@task(tags=["evasion", "white-box", "NISTAML.022", "AML.T0043.000", "AML.T0015"])
def carlini_wagner_linf(
    estimator: Estimator,
    inputs: Inputs,
    labels: Labels,
    *,
    confidence: Confidence = 0.0,
    iterations: Iterations = 30,
    rate: Rate = 0.1,
    weight: Annotated[float, "of winning against nearness, at the start of the search"] = 1.0,
    target: Target = None,
    seed: Seed = 0,
    allow_weak: AllowWeak = False,
) -> Inputs:
    """Attack with Carlini and Wagner's method in Linf: push down whatever changed by more than a bound that shrinks.

    White box, needs the gradients of all scores. Source: N. Carlini, D. Wagner, "Towards Evaluating the Robustness of Neural
    Networks", S&P 2017, arXiv:1608.04644. NIST AI 100-2: evasion (NISTAML.022). MITRE ATLAS: AML.T0043.000.
    """
    return craft(
        lambda: CarliniLInfMethod(
            estimator,
            confidence=confidence,
            targeted=target is not None,
            learning_rate=rate,
            max_iter=iterations,
            initial_const=weight,
            batch_size=BATCH,
            verbose=False,
        ),
        estimator,
        inputs,
        labels,
        seed=seed,
        target=target,
        allow_weak=allow_weak,
    )
