"""Labels of images that are drawn by hand."""

import pytest

from workbench.errors import CombinationError
from workbench.sampling import choose_labels

CLASSES = ("audi", "bmw", "fiat")


def test_all_classes_take_turns_or_one_class_has_all_images():
    assert choose_labels(CLASSES, None, 5, conditional=True).tolist() == [0, 1, 2, 0, 1]
    assert choose_labels(CLASSES, "bmw", 3, conditional=True).tolist() == [1, 1, 1]
    assert choose_labels((), None, 3, conditional=False) is None


@pytest.mark.parametrize(("conditional", "message"), [(True, "its classes: audi, bmw, fiat"), (False, "trained without labels")])
def test_a_label_that_the_network_does_not_know_is_an_error(conditional, message):
    with pytest.raises(CombinationError, match=message):
        choose_labels(CLASSES, "seat", 1, conditional=conditional)
