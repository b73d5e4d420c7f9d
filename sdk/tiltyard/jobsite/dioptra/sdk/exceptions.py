"""The errors that plugins raise for a package that an image does not have."""


class DioptraError(Exception):
    """Any of them."""


class ARTDependencyError(DioptraError, ImportError):
    """The Adversarial Robustness Toolbox is not installed."""


class CryptographyDependencyError(DioptraError, ImportError):
    """The package cryptography is not installed."""


class ImgaugDependencyError(DioptraError, ImportError):
    """The package imgaug is not installed."""


class PrefectDependencyError(DioptraError, ImportError):
    """The package prefect is not installed."""


class TensorflowDependencyError(DioptraError, ImportError):
    """TensorFlow is not installed."""
