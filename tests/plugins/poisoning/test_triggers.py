import numpy as np
import pytest

from tiltyard_plugins.poisoning.triggers import stamp

BLANK = np.zeros((2, 8, 8, 1), np.float32)


@pytest.mark.parametrize(("pattern", "pixels"), [("pattern", 4), ("pixel", 1)])
def test_a_trigger_sets_its_pixels_on_every_image_and_no_other(pattern, pixels):
    stamped = stamp(BLANK, pattern=pattern, value=0.5)
    assert stamped.dtype == np.float32
    assert [int((image > 0).sum()) for image in stamped] == [pixels, pixels]
    assert stamped.max() == 0.5
    assert BLANK.max() == 0


def test_a_trigger_off_the_image_or_on_features_is_refused():
    with pytest.raises(ValueError, match="off an image"):
        stamp(BLANK, distance=7)
    with pytest.raises(ValueError, match="goes on images"):
        stamp(np.zeros((2, 64), np.float32))
