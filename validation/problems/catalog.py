"""The catalog: the numbers of problems.json tied to the formulas of scalar.py, forced.py, planar.py and densities.py."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np

from . import densities, forced, planar, scalar
from .problem import Gaussian, Problem


@functools.cache
def problems() -> dict[str, Problem]:
    """All problems by id, in the order of FORMULAS."""
    numbers = {entry["id"]: entry for entry in json.loads(Path(__file__).with_name("problems.json").read_text())["problems"]}
    if set(numbers) != set(FORMULAS):
        raise ValueError(f"problems.json and FORMULAS differ: {sorted(set(numbers) ^ set(FORMULAS))}")
    return {name: _problem(numbers[name], *formulas) for name, formulas in FORMULAS.items()}


AUTONOMOUS, NON_AUTONOMOUS = True, False

FORMULAS = {
    "P01": (AUTONOMOUS, scalar.p01_rhs, scalar.p01),
    "P02": (AUTONOMOUS, scalar.p02_rhs, scalar.p02),
    "P03": (AUTONOMOUS, planar.p03_rhs, planar.p03),
    "P04": (AUTONOMOUS, planar.p04_rhs, planar.p04),
    "P05a": (AUTONOMOUS, planar.p05a_rhs, planar.p05a),
    "P05b": (AUTONOMOUS, planar.p05b_rhs, planar.p05b),
    "P06": (AUTONOMOUS, scalar.p06_rhs, scalar.p06),
    "P07": (AUTONOMOUS, scalar.p07_rhs, scalar.p07),
    "P08a": (AUTONOMOUS, scalar.p08a_rhs, scalar.p08a),
    "P08b": (AUTONOMOUS, scalar.p08b_rhs, scalar.p08b),
    "P08c": (AUTONOMOUS, scalar.p08c_rhs, scalar.p08c),
    "P09": (NON_AUTONOMOUS, forced.p09_rhs, forced.p09),
    "P10": (NON_AUTONOMOUS, forced.p10_rhs, forced.p10),
    "P11": (NON_AUTONOMOUS, forced.p11_rhs, forced.p11),
    "P12": (NON_AUTONOMOUS, forced.p12_rhs, forced.p12),
    "P13": (AUTONOMOUS, scalar.p13_rhs, scalar.p13),
    "P14": (AUTONOMOUS, scalar.p14_rhs, scalar.p14),
    "P18a": (AUTONOMOUS, densities.p18a_rhs, densities.p18a, densities.p18a_log_det),
    "P18b": (NON_AUTONOMOUS, densities.p18b_rhs, densities.p18b, densities.p18b_log_det),
    "P18c": (AUTONOMOUS, densities.p18c_rhs, densities.p18c, densities.p18c_log_det),
    "P19": (AUTONOMOUS, densities.p19_rhs, densities.p19, densities.p19_log_det),
    "P20": (NON_AUTONOMOUS, densities.p20_rhs, densities.p20, densities.p20_log_det),
    "P21": (AUTONOMOUS, densities.p21_rhs, densities.p21, densities.p21_log_det),
    "P27": (NON_AUTONOMOUS, forced.p27_rhs, forced.p27),
    "P28": (AUTONOMOUS, planar.p28_rhs, planar.p28, densities.p28_log_det),
    "P30": (NON_AUTONOMOUS, forced.p30_rhs, forced.p30),
}


def _problem(entry: dict, autonomous: bool, rhs, exact, log_det=None) -> Problem:
    base = entry.get("base", {"mean": [0.0] * len(entry["z0"]), "covariance": np.eye(len(entry["z0"]))})
    return Problem(
        id=entry["id"],
        title=entry["title"],
        z0=np.array(entry["z0"], float),
        theta=np.array(entry["theta"], float),
        t0=entry["t0"],
        t1=entry["t1"],
        ts=np.array(entry["ts"], float),
        weights=np.array(entry["weights"], float),
        autonomous=autonomous,
        rhs=rhs,
        exact=exact,
        log_det=log_det,
        base=Gaussian(np.array(base["mean"], float), np.array(base["covariance"], float)) if log_det else None,
    )
