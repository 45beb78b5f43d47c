"""Search with a quality predictor: thousands of architectures are looked at for each that is scored.

Costs are known beforehand, so only scores are predicted. What is expected to enlarge the dominated hypervolume most is
scored next.
"""

from __future__ import annotations

from itertools import islice

import numpy as np
from threadpoolctl import ThreadpoolController

from ...search_space.population import Indices, Population
from .algorithm import Algorithm, Quality
from .batch_picking import deviations, pick, pick_many
from .candidates import Candidates
from .encoding import Encoding
from .expected_improvement import Improvement, improvement_over
from .foresight import Foresight
from .front import Front
from .problem import Problem, Values
from .quality_model import QualityModel, without_outliers
from .settings import AlgorithmSettings
from .training_set import TrainingSet
from .unseen import Unseen, row_keys, stack

GENERATIONS = 3
PARENTS = 128
SHORTLIST = 256
MOST_AT_ONCE = 4096
# Batches up to this size are picked one by one.
ONE_BY_ONE = 128
# The model learns anew and picks anew when the evaluations have grown by this share.
STALE = 0.04
LEAST_TOLD = 6
MOST_PENDING = 256
# Failures are told apart by features once there are so many; the latest are kept.
LEAST_FAILED = 3
MOST_FAILED = 200
MARGIN = 0.1
HOPE = 0.25


class PredictorSearch(Algorithm):
    """Screens populations bred from the front by expected hypervolume improvement, a batch at a time.

    Time per evaluation is bounded: the model learns from at most `settings.trained_on` evaluations, and picks last the
    longer the more evaluations there are.
    """

    def __init__(self, problem: Problem, settings: AlgorithmSettings, seed: int) -> None:
        self._problem = problem
        self._settings = settings
        self._rng = np.random.default_rng(seed)
        self._unseen = Unseen(problem, self._rng)
        empty, objectives = self._unseen.empty, len(problem.objectives)
        smallest = Population.of(problem.space, [problem.space.smallest()])
        self._uncertain = np.isnan(problem.costs(smallest).values[0])
        self._encoding = Encoding(problem.space)
        self._model, self._failing = QualityModel(), QualityModel()
        self._front = Front(empty, objectives)
        self._training = TrainingSet(empty, objectives, settings.trained_on, self._rng)
        self._foresight = Foresight()
        self._expected: dict[bytes, tuple[float, float]] = {}
        self._pending: dict[bytes, Indices] = {}
        self._elite = self._failed = empty
        self._queue = empty.indices
        self._worst = np.full(objectives, -np.inf)
        self._told = self._told_when_picked = 0
        # Workers have the other cores, and the matrices are small. Sums come out the same on any number of cores.
        self._threads = ThreadpoolController()

    def ask(self, count: int) -> Population:
        parts = [self._unseen.take_ends(count)]
        beginners = self._settings.initial - len(self._unseen)
        parts.append(self._unseen.take_sample(min(max(0, beginners), count - len(parts[0]))))
        while missing := count - sum(map(len, parts)):
            if len(self._training) < LEAST_TOLD or not len(found := self._picked(missing)):
                parts.append(self._unseen.take_sample(missing))
                break
            parts.append(found)
        asked = stack(self._problem.space, parts)
        self._pending |= zip(row_keys(asked), asked.indices, strict=True)
        return asked

    def tell(self, population: Population, values: Values) -> None:
        self._unseen.claim(population)
        self._told += len(population)
        column = int(self._uncertain.argmax())
        for key, score in zip(row_keys(population), values[:, column].tolist(), strict=True):
            self._pending.pop(key, None)
            expected = self._expected.pop(key, None)
            if expected and np.isfinite(score):
                self._foresight.add(*expected, score)
        scored = np.asarray(np.isfinite(values).all(axis=1))
        self._failed = stack(population.space, [self._failed, population[~scored]])[-MOST_FAILED:]
        population, values = population[scored], values[scored]
        # Those of another search may break the constraints of this one; they still teach.
        feasible = self._problem.costs(population).violation <= 0
        if feasible.any():
            self._worst = np.maximum(self._worst, values[feasible].max(axis=0))
            self._front.add(population[feasible], values[feasible])
        if len(population):
            self._training.add(population, values, self._front.values if len(self._front) else values)

    def quality(self) -> Quality | None:
        return self._foresight.quality()

    def _picked(self, count: int) -> Population:
        """Up to `count` of what was picked last, while that is not stale; else of what is picked now."""
        horizon = min(int(STALE * self._told), MOST_AT_ONCE)
        if self._told - self._told_when_picked >= max(1, horizon):
            self._queue = self._queue[:0]
        taken = self._from_queue(count)
        if not len(taken) and len(self._front):
            self._told_when_picked = self._told
            with self._threads.limit(limits=1, user_api="blas"):
                self._queue = self._screen(max(count, horizon)).indices
            taken = self._from_queue(count)
        return taken

    def _from_queue(self, count: int) -> Population:
        taken = self._unseen.new(Population(self._problem.space, self._queue[:count]))
        self._queue = self._queue[count:]
        self._unseen.claim(taken)
        return taken

    def _screen(self, count: int) -> Population:
        """Teach the model what is told by now, and pick the most promising of many, best first."""
        # What was picked but never asked for is forgotten.
        self._expected = {key: one for key, one in self._expected.items() if key in self._pending}
        improvement = self._learn()
        pool = Candidates.none(self._unseen.empty, len(self._uncertain))
        shares = max(self._settings.screened, 2 * count) // GENERATIONS
        parents = stack(self._problem.space, [self._front.population, self._elite])
        for generation in range(GENERATIONS):
            bred, _ = self._unseen.open(self._bred(parents, shares, generation))
            pool = pool.joined(self._judged(pool.others(bred), improvement)).best(max(SHORTLIST, 2 * count))
            parents = stack(self._problem.space, [self._front.population, pool.population[:PARENTS]])
        self._elite = pool.population[:PARENTS]
        return self._batch_of(pool, improvement, count) if len(pool) else pool.population

    def _learn(self) -> Improvement:
        """Condition the model on what is told and on its way; returns what a gain is measured by."""
        rows = list(islice(reversed(self._pending.values()), MOST_PENDING))
        pending = Population(self._problem.space, np.array(rows).reshape(len(rows), -1)) if rows else self._unseen.empty
        groups, _ = self._features(self._training.population)
        waiting, values = self._features(pending)
        targets = without_outliers(self._training.values[:, self._uncertain])
        believed = self._model.condition(groups, targets, self._told, waiting)
        self._learn_failures(groups)
        values[:, self._uncertain] = believed
        improvement = improvement_over(self._front.values, *self._box(), self._uncertain, self._told)
        for row in values:
            improvement.add(row)
        return improvement

    def _learn_failures(self, groups: list[Values]) -> None:
        """Learn what failed and what did not: 1 and 0."""
        if len(self._failed) >= LEAST_FAILED:
            failed, _ = self._features(self._failed)
            together = [np.concatenate(pair) for pair in zip(groups, failed, strict=True)]
            targets = np.repeat([0.0, 1.0], [len(self._training), len(self._failed)])[:, None]
            self._failing.condition(together, targets, self._told, [group[:0] for group in groups])

    def _survival(self, groups: list[Values]) -> Values:
        """How likely each architecture can be scored; 0 for what is as likely to fail as not."""
        if len(self._failed) < LEAST_FAILED:
            return np.ones(len(groups[0]))
        return np.clip(1 - 2 * self._failing.predict(groups)[0][:, 0], 0, 1)

    def _box(self) -> tuple[Values, Values]:
        """Between which values volume counts: better than anything found, and worse than the front.

        Of what is known beforehand the worst that was met counts, as a costlier architecture may be the best.
        """
        low, high = self._front.values.min(axis=0), self._front.values.max(axis=0)
        high = np.where(self._uncertain, high, self._worst)
        span = np.where(high > low, high - low, self._worst - low)
        span = np.maximum(span, 1e-9 + 1e-6 * np.abs(high))
        return low - HOPE * span, high + MARGIN * span

    def _bred(self, parents: Population, count: int, generation: int) -> Population:
        """Neighbours and children of the parents, and at first strangers."""
        breeder, rng = self._unseen.breeder, self._rng
        first, second = (parents[rng.integers(len(parents), size=count // 2)] for _ in range(2))
        children = breeder.crossover(first, second, rng)
        neighbours = breeder.mutate(first, rng)
        if generation:
            return stack(first.space, [breeder.mutate(children, rng), neighbours])
        return stack(first.space, [children, neighbours, breeder.sample(count, rng)])

    def _judged(self, population: Population, improvement: Improvement) -> Candidates:
        """What is believed of a population, and what it promises."""
        groups, values = self._features(population)
        mean, deviation = self._model.predict(groups)
        values[:, self._uncertain] = mean
        deviation = deviations(deviation**2, self._uncertain)
        chance = self._survival(groups)
        return Candidates(population, values, deviation, chance, chance * improvement(values, deviation))

    def _batch_of(self, pool: Candidates, improvement: Improvement, count: int) -> Population:
        if count > ONE_BY_ONE:
            rows = pick_many(improvement, pool.values, pool.deviation, pool.chance, count)
            variance = pool.deviation[rows][:, self._uncertain][:, 0] ** 2
        else:
            groups, _ = self._features(pool.population)
            _, covariance = self._model.joint(groups)
            rows = pick(improvement, pool.values, covariance, self._model.noise, self._uncertain, pool.chance, count)
            variance = np.diagonal(covariance[0])[rows]
        picked, mean = pool.population[rows], pool.values[rows][:, self._uncertain][:, 0]
        self._expect(picked, mean, variance + self._model.noise[0])
        return picked

    def _expect(self, population: Population, mean: Values, variance: Values) -> None:
        """Remember predictions, to compare them with the scores."""
        deviation = np.sqrt(np.maximum(variance, 0))
        self._expected |= zip(row_keys(population), zip(mean.tolist(), deviation.tolist(), strict=True), strict=True)

    def _features(self, population: Population) -> tuple[list[Values], Values]:
        """What the model sees of each architecture, and its values, NaN where only scoring tells."""
        costs = self._problem.costs(population).values.copy()
        return self._encoding.features(population, costs[:, ~self._uncertain]), costs
