"""Search algorithms by name: one file each, and the table that names them."""

from __future__ import annotations

from collections.abc import Callable

from ...errors import InputError
from .algorithm import Algorithm, Quality
from .evolution import Evolution
from .nsga2 import NSGA2
from .nsga3 import NSGA3
from .predictor import PredictorSearch
from .problem import Costs, Problem
from .random_search import RandomSearch
from .settings import AlgorithmSettings
from .slimming import Slimming
from .tpe import TPE
from .user_file import class_in

ALGORITHMS: dict[str, Callable[[Problem, AlgorithmSettings, int], Algorithm]] = {
    "random": RandomSearch,
    "nsga2": NSGA2,
    "nsga3": NSGA3,
    "tpe": TPE,
    "evolution": Evolution,
    "predictor": PredictorSearch,
    "slimming": Slimming,
}


def open_algorithm(name: str, problem: Problem, settings: AlgorithmSettings, seed: int) -> Algorithm:
    """An algorithm by its name, or one of a user's as `path/to/file.py:ClassName`.

    Raises:
        InputError: no such algorithm, file or class.
    """
    return algorithm_factory(name)(problem, settings, seed)


def algorithm_factory(name: str) -> Callable[[Problem, AlgorithmSettings, int], Algorithm]:
    """What makes an algorithm of this name; to check a name before anything starts.

    Raises:
        InputError: no such algorithm, file or class.
    """
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    if ".py:" in name:
        return class_in(name)
    raise InputError(f"algorithm: one of {', '.join(ALGORITHMS)}, or file.py:ClassName; got {name!r}")


__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "AlgorithmSettings",
    "Costs",
    "Problem",
    "Quality",
    "algorithm_factory",
    "open_algorithm",
]
