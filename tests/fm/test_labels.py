"""Labels of a classification as what the losses learn."""

import numpy as np
import pytest

from fastfm_ext._estimators.labels import check_labels, classes_of, codes_of, encoded, named_classes


@pytest.mark.parametrize("classes", [["no", "yes"], ["a", "b", "c"], list(range(300))])
def test_codes_come_back_from_the_targets_of_the_scorers(classes):
    classes = np.array(classes)
    codes = np.random.default_rng(0).permutation(len(classes))
    targets = encoded(classes[codes], classes, "y")
    assert targets.shape == (1 if len(classes) == 2 else len(classes), len(codes))
    assert (codes_of(targets, len(classes)) == codes).all()
    assert (targets.sum(axis=0) == (codes if len(classes) == 2 else 1)).all()


def test_a_label_of_no_class_is_named():
    with pytest.raises(ValueError, match=r"y_val holds the class c, .* among \['a' 'b'\]\. Leave such rows out"):
        encoded(np.array(["a", "c"]), np.array(["a", "b"]), "y_val")


def test_classes_are_sorted_and_stay_the_same():
    assert classes_of(np.array([3, 1, 3])).tolist() == [1, 3]
    assert named_classes([3, 1], None).tolist() == named_classes([3, 1], np.array([1, 3])).tolist() == [1, 3]
    with pytest.raises(ValueError, match=r"classes is \[1 2\], but the first call had \[1 3\]"):
        named_classes([1, 2], np.array([1, 3]))
    with pytest.raises(ValueError, match="y holds one class only, 3"):
        classes_of(np.array([3, 3]))


@pytest.mark.parametrize("labels", [np.array([0.5, 1.5]), np.array([0.0, np.nan]), np.array(["a", 1], dtype=object)])
def test_what_is_no_class_is_refused(labels):
    with pytest.raises(ValueError, match=r"Unknown label type|NaN|labels of different kinds"):
        check_labels(labels, "y")
