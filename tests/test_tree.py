"""Trees: whatever Hypothesis draws goes to one flat vector and back."""

import collections
import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refnode.tree import Raveler, as_state, check_same_structure, is_container, leaves, rebuild, tree_map

Point = collections.namedtuple("Point", "x y")
NUMBERS = st.floats(-1e6, 1e6, width=32)  # exact in each of the dtypes
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
ARRAYS = st.sampled_from([np.float64, np.float32, np.complex128, np.complex64]).flatmap(
    lambda dtype: hnp.arrays(dtype, SHAPES, elements=NUMBERS.map(dtype)))


def trees(elements):
    return st.recursive(elements, lambda child: st.one_of(
        st.lists(child, max_size=3), st.lists(child, max_size=3).map(tuple), st.dictionaries(st.text(max_size=3), child, max_size=3),
        st.dictionaries(st.integers(0, 5), child, max_size=2).map(collections.OrderedDict), st.builds(Point, child, child)), max_leaves=8)


def same(tree, other):
    """The same containers of equal leaves, in shape, dtype and value."""
    if type(tree) is not type(other):
        return False
    if isinstance(tree, dict):
        return list(tree) == list(other) and all(same(tree[key], other[key]) for key in tree)
    if is_container(tree):
        return len(tree) == len(other) and all(map(same, tree, other))
    if isinstance(tree, np.ndarray):
        return tree.shape == other.shape and tree.dtype == other.dtype and np.array_equal(tree, other)
    return tree == other


ARRAY_TREES = trees(ARRAYS | st.none()).filter(lambda tree: tree is not None)  # a state is not None


@given(ARRAY_TREES)
def test_there_and_back(tree):
    way = Raveler(tree)
    vector = way.ravel(tree)
    assert vector.shape == (way.size,) and vector.dtype == way.dtype
    assert same(way.unravel(vector), tree)
    np.testing.assert_array_equal(way.ravel(way.unravel(vector)), vector)
    assert way.size == sum(x.size for x in leaves(tree)) == sum(part.stop - part.start for part in way.parts)
    assert all(not x.flags.writeable for x in leaves(way.unravel(vector)))


@given(ARRAY_TREES, st.integers(0, 3))
def test_stacks(tree, n):
    way = Raveler(tree)
    rows = np.array([way.ravel(tree)] * n, way.dtype).reshape(n, way.size)
    stacked = way.unstack(rows, (n,))
    for k in range(n):
        assert same(tree_map(lambda x, k=k: np.asarray(x[k]), stacked), tree)
    assert all(x.flags.writeable and x.flags.owndata for x in leaves(stacked))


@given(ARRAY_TREES)
def test_ravel_into_a_vector(tree):
    way = Raveler(tree)
    out = np.full(way.size, 7, way.dtype)
    assert way.ravel(tree, out) is out
    np.testing.assert_array_equal(out, way.ravel(tree))


@given(ARRAY_TREES)
def test_conform_accepts_what_has_the_structure(tree):
    way = Raveler(tree)
    assert same(way.conform(tree), tree)
    as_lists = tree_map(lambda x: x.tolist() if x.size and x.ndim else x, tree)  # lists of numbers count as arrays
    assert same(way.conform(as_lists), tree)


@given(trees(st.integers() | st.none() | st.text()))
def test_tree_map(tree):
    assert same(tree_map(lambda x: x, tree), tree)
    assert leaves(tree_map(lambda x: (x,), tree)) == leaves(tree)
    assert [tuple(pair) for pair in zip(leaves(tree), leaves(tree), strict=True)] == [
        pair.value for pair in leaves(tree_map(lambda x, y: Box((x, y)), tree, tree))]
    assert same(rebuild(tree, iter(leaves(tree))), tree)
    original = copy.deepcopy(tree)
    tree_map(lambda x: 0, tree)
    assert same(tree, original)


class Box:
    """A leaf that holds a pair."""

    def __init__(self, value):
        self.value = value


def test_a_dict_is_read_by_its_keys():
    tree, other = {"a": 1, "b": 2}, {"b": 20, "a": 10}
    assert tree_map(lambda x, y: x + y, tree, other) == {"a": 11, "b": 22}
    way = Raveler({"a": np.zeros(1), "b": np.zeros(2)})
    np.testing.assert_array_equal(way.ravel(way.conform({"b": np.array([2.0, 3.0]), "a": np.array([1.0])})), [1, 2, 3])


def test_subclasses_of_dict():
    counts = collections.defaultdict(list, a=np.ones(1))
    again = tree_map(lambda x: x + 1, counts)
    assert type(again) is collections.defaultdict and again.default_factory is list and again["a"] == 2 and counts["a"] == 1


def test_leaves_from_left_to_right():
    assert leaves({"b": (1, [2, None]), "a": Point(3, {"c": 4})}) == [1, 2, 3, 4]
    assert leaves(None) == leaves(()) == leaves({}) == [] and leaves(5) == [5]


MISMATCHES = [
    ((1, 2), (1,), "a tuple of 2 entries was expected, not a tuple of 1 entries"),
    ((1, 2), 5, "a tuple of 2 entries was expected, not a int"),
    ([1, 2], {"a": 1, "b": 2}, "a list of 2 entries was expected, not a dict with the keys ['a', 'b']"),
    ({"a": 1}, {"b": 1}, "a dict with the keys ['a'] was expected, not a dict with the keys ['b']"),
    ({"a": 1}, {"a": 1, "b": 1}, "a dict with the keys ['a'] was expected"),
    ({"a": 1}, (1,), "a dict with the keys ['a'] was expected, not a tuple of 1 entries"),
    ((1, (2, 3)), (1, 2), "a tuple of 2 entries was expected, not a int"),
    (Point(1, 2), np.ones(2), "a Point of 2 entries was expected, not a ndarray"),
    ((1, 2), "ab", "a tuple of 2 entries was expected, not a str"),
]


@pytest.mark.parametrize(("tree", "other", "words"), MISMATCHES)
def test_mismatches(tree, other, words):
    with pytest.raises(ValueError) as caught:
        tree_map(lambda x, y: None, tree, other)
    assert words in str(caught.value)


def test_lists_and_tuples_are_the_same_kind():
    check_same_structure((1, 2), [1, 2])
    assert tree_map(lambda x, y: x + y, [1, 2], (3, 4)) == [4, 6]


@given(ARRAY_TREES)
def test_states_stay_what_they_are(tree):
    if not (is_container(tree) and not leaves(tree)):
        assert same(as_state(tree), tree)


def test_states():
    assert as_state([1, 2]).dtype == np.float64 and as_state(3).shape == () and as_state(True) == 1.0
    assert as_state([[1, 2], [3]])[1].tolist() == [3.0]  # a list of lists is a tree
    state = as_state({"a": 1, "b": (np.ones(2), [1, 2], 3, None, ())})
    assert [x.shape for x in leaves(state)] == [(), (2,), (2,), ()] and state["b"][3:] == (None, ())
    assert [x.dtype for x in leaves(as_state((np.arange(2), np.ones(1, np.float32), np.ones(1, bool))))] == [np.float64, np.float32, np.float64]
    for bad in (None, "x", np.ones(2, np.float16), object(), (np.ones(1), "x"), np.ma.ones(2)):
        with pytest.raises(TypeError):
            as_state(bad)


def test_views_where_the_dtypes_agree():
    """No copies of the state for each evaluation of f."""
    way = Raveler({"a": np.zeros((2, 2)), "b": np.zeros(3)})
    vector = np.arange(7.0)
    assert all(np.shares_memory(x, vector) for x in leaves(way.unravel(vector)))
    assert vector.flags.writeable
