"""Ways to choose an adaptation that are not learned: at random, by a fixed rule, by clairvoyance."""

from __future__ import annotations

import numpy as np

from actors.agent import Adaptation
from examples.workflows.episode import DISCOUNT, Chooser, Moment
from examples.workflows.fleet import NO_ACTION, Actions
from examples.workflows.signals import FEATURES

COLUMN = {name: place for place, name in enumerate(FEATURES)}


def at_random(rng: np.random.Generator) -> Chooser:
    """Chooses among the four with equal chances."""
    return lambda moment: rng.integers(0, len(Adaptation), len(moment.fleet))


def fixed_rule(moment: Moment) -> Actions:
    """What an experienced operator would write down, on the same signals that the policies see.

    Errors or more work per request soon after a release: roll back. Servers missing that were not made
    up for: scale out. Trouble under a usual load: optimise. Under a high load: scale out when the trouble
    lasts, increase resources when it is new.
    """
    states = moment.signals.states

    def seen(name: str) -> np.ndarray:
        return states[:, COLUMN[name]]

    fresh = seen("fresh_release") > 0.3
    worse = (seen("failing") > 0.0) | (seen("service_trend") > 0.25)
    short = seen("servers_missing") - seen("servers_added") > 0.15
    conditions = [
        fresh & worse,
        short,
        seen("load") < 0.2,
        seen("frequency") > 0.4,
    ]
    answers = [
        Adaptation.ROLL_BACK,
        Adaptation.SCALE_OUT,
        Adaptation.OPTIMIZE_WORKFLOW,
        Adaptation.SCALE_OUT,
    ]
    return np.select(conditions, answers, Adaptation.INCREASE_RESOURCES).astype(np.intp)


def clairvoyant(moment: Moment) -> Actions:
    """The adaptation that turns out best: tries all four on copies of the systems, with the luck to come.

    Each copy lives through the weather ahead and acts by the fixed rule after the first turn, so this is
    one step of policy improvement over that rule by one who knows every cause (a rollout: Bertsekas,
    "Reinforcement Learning and Optimal Control", 2019, section 2.4). An upper mark, not an optimum.
    """
    n, choices = len(moment.fleet), len(Adaptation)
    index = np.tile(np.arange(n), choices)
    fleet, monitor, places = moment.fleet.pick(index), moment.monitor.pick(index), moment.places[index]
    actions = np.repeat(np.arange(choices), n)
    worth = np.zeros(choices * n)
    for step, weather in enumerate(moment.ahead):
        report = fleet.turn(weather, actions, places=places)
        worth += DISCOUNT**step * report.reward
        signals = monitor.look(fleet, report)
        ahead = Moment(signals=signals, fleet=fleet, monitor=monitor, ahead=(), places=places)
        actions = np.where(signals.symptomatic, fixed_rule(ahead), NO_ACTION)
    return worth.reshape(choices, n).argmax(0)
