"""Defences that change the inputs before the model sees them, put in front of an estimator.

Each gives a new estimator around the same model and leaves the old one as it was. Attacks with gradients on the new one pass
the defence by as if it were not there (BPDA), which is what an adaptive attacker does; attacks on the old one, tried on the
new, show what is gained against those who know nothing. MITRE ATLAS: AML.M0010.
"""

import copy
from typing import Annotated, Any

from art.defences.preprocessor import FeatureSqueezing, JpegCompression, SpatialSmoothing

from tiltyard import task
from tiltyard_plugins.types import Estimator

On = Annotated[Estimator, "around a trained model"]


class DefenceUseless(Exception):
    """The library would quietly leave the defence out, or undo it."""


@task(tags=["defence", "preprocessing", "AML.M0010"])
def spatial_smoothing(
    estimator: Annotated[Estimator, "around a model of images"],
    *,
    window: Annotated[int, "side of the square whose median each pixel becomes, in pixels, 2 or more"] = 3,
) -> Estimator:
    """Make every pixel the median of its neighbourhood.

    On small images it costs much accuracy and gains nothing against an attacker who knows of it. Source: W. Xu, D. Evans,
    Y. Qi, "Feature Squeezing: Detecting Adversarial Examples in Deep Neural Networks", NDSS 2018, arXiv:1704.01155. Against:
    NIST AI 100-2 evasion (NISTAML.022). MITRE ATLAS: AML.M0010.
    """
    _images(estimator)
    if window < 2:
        raise DefenceUseless(f"a window of {window} pixel changes nothing")
    return with_defence(estimator, SpatialSmoothing(window_size=window, clip_values=estimator.clip_values))


@task(tags=["defence", "preprocessing", "AML.M0010"])
def feature_squeezing(
    estimator: On,
    *,
    bits: Annotated[int, "with which each value is written, 1 to 8"] = 2,
) -> Estimator:
    """Round every value to few levels, over the range of the estimator's inputs.

    Source: W. Xu, D. Evans, Y. Qi, "Feature Squeezing: Detecting Adversarial Examples in Deep Neural Networks", NDSS 2018,
    arXiv:1704.01155. Against: NIST AI 100-2 evasion (NISTAML.022). MITRE ATLAS: AML.M0010.
    """
    if not 1 <= bits <= 8:
        raise ValueError(f"values are written with 1 to 8 bits, not {bits}")
    return with_defence(estimator, FeatureSqueezing(clip_values=_range(estimator), bit_depth=bits))


@task(tags=["defence", "preprocessing", "AML.M0010"])
def jpeg_compression(
    estimator: Annotated[Estimator, "around a model of images, 0 to 1 or 0 to 255"],
    *,
    quality: Annotated[int, "1, worst, to 95"] = 50,
) -> Estimator:
    """Write every image as a JPEG and read it again, as many channels as it has.

    Source: G. Dziugaite, Z. Ghahramani, D. Roy, "A study of the effect of JPG compression on adversarial images", 2016,
    arXiv:1608.00853. Against: NIST AI 100-2 evasion (NISTAML.022). MITRE ATLAS: AML.M0010.
    """
    _images(estimator)
    return with_defence(
        estimator, JpegCompression(clip_values=_range(estimator), quality=quality, apply_fit=False)
    )


def with_defence(estimator: Any, defence: Any) -> Any:
    """The same model behind one more defence, in a new estimator.

    A shallow copy shares its list of operations with the original in ART, which would then be defended as well.
    """
    defended = copy.copy(estimator)
    defended.preprocessing_operations = list(estimator.preprocessing_operations)
    defended.set_params(preprocessing_defences=[*(estimator.preprocessing_defences or []), defence])
    if defence not in defended.preprocessing_operations or defence in estimator.preprocessing_operations:
        raise DefenceUseless(
            f"{type(estimator).__name__} does not take {type(defence).__name__} before its model"
        )
    return defended


def _range(estimator: Any) -> tuple[float, float]:
    if estimator.clip_values is None:
        raise ValueError("the estimator does not say what range its inputs have: wrap it with clip")
    low, high = estimator.clip_values
    return float(low), float(high)


def _images(estimator: Any) -> None:
    if len(estimator.input_shape) != 3:
        raise ValueError(
            f"this defence is for images (height, width, channels), not for {estimator.input_shape}"
        )
