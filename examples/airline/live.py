"""The same learning on a real swarm: signed updates, a gate, releases, on Ray."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from examples.airline.comparison import Plan, workload_of
from examples.airline.figures import Exam, Figures
from examples.airline.source import AirlineExperiences


async def learned_on_ray(plan: Plan, *, state_dir: Path, tell: Callable[[str], None] = lambda _: None) -> Figures:
    """What the release of a swarm is worth after the plan's rounds, with the split of its first seed."""
    from actors import Swarm, SwarmConfig

    seed = plan.seeds[0]
    data = AirlineExperiences(path=plan.path, agents=plan.names, seed=seed, held_out_tasks=plan.held_out_tasks)
    workload = workload_of(plan, data)
    config = SwarmConfig(workload=workload, agents=plan.names, seed=seed, hosts=2, state_dir=state_dir)
    swarm = await Swarm.start(config)
    try:
        async for record in swarm.rounds(plan.rounds, until_converged=False):
            if record["round"] % 10 == 0:
                agreement = (record["evaluation"] or {}).get("agreement", float("nan"))
                tell(f"round {record['round']}: agrees with {agreement:.0%} of held-out steps")
        value = workload.unpack((await swarm.release())["artefact"])
    finally:
        await swarm.stop()
    exam = Exam(data.split.conversion.layout, data.split.training, data.split.held_out)
    return exam.figures(workload.predict(value, exam.states))
