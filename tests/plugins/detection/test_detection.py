"""Features of three labels; a sixth of the first label's are poison, apart from the others."""

import numpy as np
import pytest

from tiltyard_plugins.detection.clustering import activation_clustering
from tiltyard_plugins.detection.spectral import spectral_signatures
from tiltyard_plugins.detection.suspects import rate_detection


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 120)
    features = random.normal(size=(360, 20)) + 10 * np.eye(20)[labels]
    poisoned = np.arange(360) < 20
    features[poisoned] += 8 * np.eye(20)[10]
    return features, labels, poisoned


def test_spectral_signatures_find_what_stands_out(table):
    features, labels, poisoned = table
    flagged, scores = spectral_signatures(features, labels, expected=20 / 120, multiplier=1, only=0)
    rates = rate_detection(flagged, poisoned, labels)
    assert rates["precision"] > 0.9
    assert rates["recall"] > 0.9
    assert scores[poisoned].min() > np.median(scores[labels == 0])
    assert not flagged[labels != 0].any()


def test_centring_finds_what_arts_own_scores_miss(table):
    from art.defences.detector.poison import SpectralSignatureDefense

    features, labels, poisoned = table
    own = features[labels == 0] - 100  # far from nought, where the poison is nearer to it than the rest
    raw = SpectralSignatureDefense.spectral_signature_scores(own)[:, 0]
    theirs = poisoned[labels == 0][np.argsort(raw)[-20:]].mean()
    flagged, _ = spectral_signatures(own, np.zeros(120, int), expected=20 / 120, multiplier=1)
    assert rate_detection(flagged, poisoned[labels == 0], np.zeros(120, int))["precision"] > max(theirs, 0.9)


def test_spectral_signatures_flag_their_share_of_clean_data_too(table):
    features, labels, _ = table
    flagged, _ = spectral_signatures(features[120:], labels[120:], expected=0.1, multiplier=1)
    assert flagged.mean() == pytest.approx(0.1, abs=0.02)


def test_activation_clustering_flags_the_poison_and_no_clean_label(table):
    features, labels, poisoned = table
    flagged, heaps = activation_clustering(features, labels)
    rates = rate_detection(flagged, poisoned, labels)
    assert rates["precision"] > 0.95
    assert rates["recall"] > 0.95
    assert [heaps[label]["suspected"] for label in "012"] == [1, 0, 0]


def test_a_label_of_too_few_inputs_is_not_looked_into(table):
    features, labels, _ = table
    flagged, heaps = activation_clustering(features[:125], labels[:125])
    assert heaps["1"] == {"size": 0, "silhouette": 0, "suspected": 0}
    assert not flagged[labels[:125] == 1].any()


def test_rates_count_what_was_flagged_rightly_and_wrongly():
    rates = rate_detection([1, 1, 0, 0, 1], [1, 0, 1, 0, 0], [0, 0, 0, 0, 1])
    assert rates["precision"] == pytest.approx(1 / 3)
    assert rates["precision_in_label"] == rates["recall"] == 0.5
    assert rates["false_alarms"] == pytest.approx(2 / 3)


def test_nothing_flagged_and_nothing_poisoned_is_no_error():
    rates = rate_detection([0, 0], [0, 0], [0, 1])
    assert rates["precision"] == rates["recall"] == rates["false_alarms"] == 0


def test_what_cannot_be_is_refused(table):
    features, labels, _ = table
    with pytest.raises(ValueError, match="no share"):
        spectral_signatures(features, labels, expected=0.8)
    with pytest.raises(ValueError, match="not of the same inputs"):
        rate_detection([1], [1, 0], [0, 0])
