"""MNIST's own files: train-images-idx3-ubyte and the other three, as they are or gzipped."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class BadFile(ValueError):
    """A file that is missing, or is not what it should be."""


def load_mnist(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images and labels to train on, images and labels to test on: (n, 28, 28, 1) in [0, 1], and (n,) from 0 to 9.

    folder holds the four files, with or without .gz (or with a dot for the dash: train-images.idx3-ubyte). Raises BadFile, which names the file.
    """
    found = [read_idx(path_of(Path(folder), name)) for name in NAMES]
    for images, labels, of in ((found[0], found[1], "train"), (found[2], found[3], "t10k")):
        if images.ndim != 3 or labels.ndim != 1:
            raise BadFile(f"{folder}: the {of} files hold arrays of shapes {images.shape} and {labels.shape}; images (n, height, width) and labels "
                          "(n,) were expected.")
        if len(images) != len(labels) or len(labels) == 0:
            raise BadFile(f"{folder}: the {of} files hold {len(images)} images and {len(labels)} labels.")
        if labels.max() > 9:
            raise BadFile(f"{folder}: the {of} labels go up to {labels.max()}; digits go from 0 to 9.")
    if found[0].shape[1:] != found[2].shape[1:]:
        raise BadFile(f"{folder}: images to train on are {found[0].shape[1:]}, those to test on {found[2].shape[1:]}.")
    x, labels, x_test, labels_test = found
    return x[..., None] / 255, labels.astype(int), x_test[..., None] / 255, labels_test.astype(int)


def path_of(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise BadFile(f"there is no folder {folder}.")
    candidates = [folder / f"{spelled}{end}" for spelled in (name, name.replace("-idx", ".idx")) for end in ("", ".gz")]
    for path in candidates:
        if path.is_file():
            return path
    raise BadFile(f"{folder} holds no {name} (nor {name}.gz); put MNIST's four files there: {', '.join(NAMES)}.")


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file of unsigned bytes: 0, 0, type (8), number of axes, their lengths as big-endian integers of 4 bytes, the entries."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise BadFile(f"{path.name} cannot be read: {error}.") from None
    if len(data) < 4 or data[:2] != b"\0\0":
        raise BadFile(f"{path.name} is no IDX file: it begins with {data[:4].hex() or 'nothing'}, not with 0000.")
    kind, axes = data[2], data[3]
    if kind != 8:
        raise BadFile(f"{path.name} holds entries of type {kind:#04x}; unsigned bytes (0x08) were expected.")
    start = 4 + 4 * axes
    if axes == 0 or len(data) < start:
        raise BadFile(f"{path.name} ends within its header.")
    shape = struct.unpack(f">{axes}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise BadFile(f"{path.name} should hold {math.prod(shape)} entries for its shape {shape}; it holds {len(data) - start}.")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
