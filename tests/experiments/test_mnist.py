"""MNIST's files, written here at a small size: read as they are, refused where something is wrong; and X1 on them."""

import gzip
import json
import struct

import numpy as np
import pytest

from refnode.cli import main
from refnode.experiments.paper import mnist
from refnode.experiments.paper.idx import NAMES, BadFile, load_mnist, read_idx

RNG = np.random.default_rng(13)


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path):
    """24 and 12 images of 14 x 14, the third file gzipped, the fourth with a dot."""
    files = tmp_path / "mnist"
    files.mkdir()
    arrays = RNG.integers(0, 256, (24, 14, 14)), RNG.integers(0, 10, 24), RNG.integers(0, 256, (12, 14, 14)), RNG.integers(0, 10, 12)
    for name, array, spelled in zip(NAMES, arrays, (NAMES[0], NAMES[1], NAMES[2] + ".gz", "t10k-labels.idx1-ubyte"), strict=True):
        (files / spelled).write_bytes(gzip.compress(idx(array)) if spelled.endswith(".gz") else idx(array))
        assert np.array_equal(read_idx(files / spelled), array), name
    return files


def test_files_are_read(folder):
    x, labels, x_test, labels_test = load_mnist(folder)
    assert x.shape == (24, 14, 14, 1)
    assert x_test.shape == (12, 14, 14, 1)
    assert labels.shape == (24,)
    assert labels_test.shape == (12,)
    assert x.min() >= 0
    assert x.max() <= 1
    assert np.array_equal(np.round(255 * x[3, :, :, 0]), read_idx(folder / NAMES[0])[3])


@pytest.mark.parametrize(("name", "content", "message"), [
    (NAMES[0], None, "holds no train-images-idx3-ubyte"),
    (NAMES[0], b"", "begins with nothing"),
    (NAMES[0], b"\x89PNG", "is no IDX file: it begins with 89504e47"),
    (NAMES[0], b"\0\0\x0d\x01\0\0\0\1\0\0\0\0", "entries of type 0x0d"),
    (NAMES[0], b"\0\0\x08\x03\0\0", "ends within its header"),
    (NAMES[0], idx(np.zeros((24, 14, 14)))[:-5], "should hold 4704 entries for its shape (24, 14, 14); it holds 4699"),
    (NAMES[0], idx(np.zeros((24, 14, 14))) + b"x", "it holds 4705"),
    (NAMES[0], idx(np.zeros((23, 14, 14))), "the train files hold 23 images and 24 labels"),
    (NAMES[0], idx(np.zeros((24, 10, 10))), "images to train on are (10, 10), those to test on (14, 14)"),
    (NAMES[1], idx(np.zeros((24, 3))), "images (n, height, width) and labels (n,) were expected"),
    (NAMES[1], idx(np.full(24, 11)), "the train labels go up to 11"),
    (NAMES[2] + ".gz", b"no gzip", "t10k-images-idx3-ubyte.gz cannot be read"),
    (NAMES[2] + ".gz", gzip.compress(idx(np.zeros((12, 14, 14))), mtime=0)[:-9], "t10k-images-idx3-ubyte.gz cannot be read"),
])
def test_wrong_files_are_named(folder, name, content, message):
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    with pytest.raises(BadFile) as raised:
        load_mnist(folder)
    assert message in str(raised.value)


def test_x1_on_mnist(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mnist, "QUICK", mnist.QUICK | {"steps of Adam": 2, "every": 1, "batch": 4, "test": 6, "blocks": 1})
    assert main(["paper", "X1", "--mnist", str(folder), "--quick", "--output", str(tmp_path / "out")]) == 0
    assert "2 steps on MNIST" in capsys.readouterr().out
    parts = json.loads((tmp_path / "out" / "MNIST-quick.json").read_text())["parts"]
    assert {f"{model}-seed0" for model in ("1-layer-MLP", "no-block", "ResNet", "RK-Net", "ODE-Net")} < parts.keys()
    assert parts["1-layer-MLP-seed0"]["parameters"] == 196 * 300 + 300 + 3010
    assert (tmp_path / "out" / "MNIST-quick.png").exists()
    assert "## MNIST. Classification (Table 1) on MNIST" in (tmp_path / "out" / "report-quick.md").read_text()


def test_wrong_calls(folder, tmp_path, capsys):
    with pytest.raises(BadFile, match="24 images to train on are less than a batch of 32"):
        mnist.run(tmp_path, [0], False, folder)
    for argv, message in ((["X1", "X2", "--mnist", str(folder)], "--mnist is for X1 alone"), (["--mnist", str(folder)], "--mnist is for X1 alone"),
                          (["X1", "--mnist", str(tmp_path / "none"), "--output", str(tmp_path / "o")], "there is no folder")):
        with pytest.raises(SystemExit):
            main(["paper", *argv])
        assert message in capsys.readouterr().err
