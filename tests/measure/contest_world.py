"""A clock that only the sides of a contest make go forward, and sides that are whatever a test says."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from qbench.measure.contest import run_contest
from qbench.measure.contest_records import ContestRules
from qbench.records import BlockTime

RULES = ContestRules(threshold=1.05)


class World:
    """A clock, and the sides that make it go forward.

    Parameters
    ----------
    ratio
        The candidate's time by the baseline's; may be one for each round.
    invoke_s
        Of the baseline.
    noise
        Standard deviation of a block's time, as a share of it.
    """

    def __init__(self, ratio=1.0, *, invoke_s=100e-6, noise=0.02, start_s=0.2, renew_s=0.005, seed=0):
        self.ratios = list(ratio) if isinstance(ratio, (list, tuple)) else [ratio]
        self.invoke_s, self.noise, self.start_s, self.renew_s = invoke_s, noise, start_s, renew_s
        self.lot = np.random.default_rng(seed)
        self.now = 1000.0
        self.opened, self.open = [], False
        #: What the sides were asked: (side, "renew") and (side, invokes, blocks, discard).
        self.asked = []
        self.limits = []
        self.asked_last = None

    def contest(self, *, tell=None, **rules):
        return run_contest(self.open_pair, changed(rules), now=lambda: self.now, tell=tell)

    @contextmanager
    def open_pair(self, number):
        assert not self.open, "the sides of the round before still run"
        self.opened.append(number)
        self.open = True
        self.now += self.start_s
        ratio = self.ratios[min(number, len(self.ratios) - 1)]
        try:
            yield self.side("baseline", 1.0), self.side("candidate", ratio)
        finally:
            self.open = False

    def side(self, name, ratio):
        return _Side(self, name, ratio)

    # What a particular machine or artifact is like.

    def load(self, side):
        """What happens when a side is waited for that has been renewed."""

    def factor(self, side):  # noqa: ARG002 - for worlds that distinguish
        """By how much a block of a side is slower than it should be."""
        return 1.0

    def waiting_s(self, side, invokes):  # noqa: ARG002 - as above
        """Wall time of a block during which its thread does not run."""
        return 0.0

    def waits(self, side):  # noqa: ARG002 - as above
        """How often the thread of a block gives way."""
        return 0

    def change_s(self, side):  # noqa: ARG002 - as above
        """What the first invoke after the other side's costs besides."""
        return 0.0


class _Side:
    def __init__(self, world, name, ratio):
        self.world, self.name, self.ratio = world, name, ratio
        self.loaded_at, self.blocks = None, 0

    def limit(self, limit_s):
        self.world.limits.append((self.name, limit_s))

    def renew(self):
        assert self.world.open, "a side is renewed that has ended"
        self.world.asked.append((self.name, "renew"))
        self.loaded_at, self.blocks = self.world.now + self.world.renew_s, 0

    def time(self, *, invokes, blocks=1, discard=0):
        world = self.world
        assert world.open, "a side is asked that has ended"
        assert self.loaded_at is not None, "nothing is loaded"
        world.now = max(world.now, self.loaded_at)
        if not self.blocks:
            world.load(self)
        world.asked.append((self.name, invokes, blocks, discard))
        change_s = world.change_s(self) if world.asked_last not in {self.name, None} else 0.0
        world.asked_last = self.name
        invoke_s = world.invoke_s * self.ratio
        if discard:
            world.now += discard * invoke_s + change_s
            change_s = 0.0
        timed = []
        for _ in range(blocks):
            self.blocks += 1
            factor = world.factor(self) * max(0.5, 1 + world.noise * world.lot.normal())
            cpu_s = invokes * invoke_s * factor + change_s
            wall_s = cpu_s + world.waiting_s(self, invokes)
            change_s = 0.0
            world.now += wall_s
            timed.append(
                BlockTime(wall_ns=round(wall_s * 1e9), cpu_ns=round(cpu_s * 1e9), waits=world.waits(self)),
            )
        return tuple(timed)


def changed(rules):
    return ContestRules(**{field: getattr(RULES, field) for field in RULES.__struct_fields__} | rules)


def groups_asked(world):
    """What was asked for each group: from its first renew on. The renews of calibration are left out."""
    renews = [place for place, request in enumerate(world.asked) if request[1] == "renew"]
    starts = [*renews[2::2], len(world.asked)]
    return [world.asked[start:end] for start, end in pairwise(starts)]
