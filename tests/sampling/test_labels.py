"""Labels of images that are drawn by command."""

import pytest

from workbench.errors import CombinationError
from workbench.sampling import choose_labels

CLASSES = ("audi", "bmw", "fiat")


def test_classes_alternate_unless_one_is_set():
    assert choose_labels(CLASSES, None, 5, conditional=True).tolist() == [0, 1, 2, 0, 1]
    assert choose_labels(CLASSES, "bmw", 3, conditional=True).tolist() == [1, 1, 1]
    assert choose_labels((), None, 3, conditional=False) is None


@pytest.mark.parametrize(("conditional", "message"), [(True, "its classes: audi, bmw, fiat"), (False, "trained without labels")])
def test_a_label_that_the_network_was_not_trained_with_is_an_error(conditional, message):
    with pytest.raises(CombinationError, match=message):
        choose_labels(CLASSES, "seat", 1, conditional=conditional)
