"""Orchestrations drawn from a seed: each is a list of steps, and starts only those after it."""

import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from services.scheduler.engine.protos import pb
from tests.simulation.cargo import cargo
from tests.simulation.replay import AnyOf, Awaited, Body, Program, ProgramFailed, Replay, ended_as
from tests.simulation.violation import Violation

ACTIVITIES: Final = ("charge", "notify", "flaky")
ENTITIES: Final = ("@counter@a", "@counter@b", "@ledger@a")
EVENTS: Final = ("go", "stop")
LEAF: Final = "leaf"
# Ids that clients and parents fight over.
IDS: Final = tuple(f"i{number}" for number in range(8))
_SECONDS: Final = (0.0, 0.5, 5.0, 90.0, 3_600.0)
_STEPS_MAX: Final = 4
_ABANDONED: Final = 0.15

Steps = Generator[Sequence[Awaited] | AnyOf, None, None]
Step = Callable[[Replay, "Plan"], Steps]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A program: what it does, how often it continues as new, and whether failures end it."""

    name: str
    steps: tuple[tuple[str, Step], ...]
    generations: int
    careless: bool

    def __str__(self) -> str:
        kind = "careless" if self.careless else "careful"
        steps = ", ".join(text for text, _step in self.steps)
        return f"{self.name} ({kind}, {self.generations} generations): {steps}"


def plans(rng: random.Random) -> list[Plan]:
    """The programs of one run."""
    count = rng.randint(2, 4)
    names = [f"program{number}" for number in range(count)]
    drawn = [
        Plan(
            name=name,
            steps=_drawn_steps(rng, names[number + 1 :]),
            generations=rng.choice((0, 0, 0, 1, 2)),
            careless=rng.random() < 0.55,
        )
        for number, name in enumerate(names)
    ]
    # What entities start must not come back to them.
    leaf = Plan(
        name=LEAF, steps=(_drawn(rng, ("fan_in", "sleep"), ()),), generations=0, careless=False
    )
    return [*drawn, leaf]


def bodies(drawn: Sequence[Plan]) -> dict[str, Body]:
    """What a worker runs."""
    return {plan.name: partial(_run, plan) for plan in drawn}


def first_input() -> dict[str, Any]:
    """What a program is started with."""
    return {"generation": 0, "consumed": [], "cargo": cargo("input", 0)}


def _run(plan: Plan, ctx: Replay, given: Any) -> Program:
    ctx.consumed = list(given["consumed"])
    for number, (_text, step) in enumerate(plan.steps):
        ctx.status = f'"{number} {cargo(ctx.instance_id, number)}"'
        yield from step(ctx, plan)
    if given["generation"] < plan.generations:
        generation = given["generation"] + 1
        following = {**given, "generation": generation, "cargo": cargo("input", generation)}
        return ended_as(pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW, following)
    return ended_as(pb.ORCHESTRATION_STATUS_COMPLETED, {"program": plan.name})


def _drawn_steps(rng: random.Random, children: Sequence[str]) -> tuple[tuple[str, Step], ...]:
    kinds = [kind for kind in _KINDS if children or "child" not in kind]
    steps = [_drawn(rng, kinds, children) for _ in range(rng.randint(1, _STEPS_MAX))]
    if rng.random() < _ABANDONED:
        entity_ids = _some(rng)
        text = f"abandoned_section{entity_ids}"
        steps.append((text, partial(_abandoned_section, values=(entity_ids,))))
    return tuple(steps)


def _drawn(rng: random.Random, kinds: Sequence[str], children: Sequence[str]) -> tuple[str, Step]:
    kind = rng.choice(kinds)
    make, draw = _KINDS[kind]
    values = draw(rng, children)
    return f"{kind}{values}", partial(make, values=values)


def _heed(plan: Plan, awaited: Sequence[Awaited]) -> None:
    if plan.careless and any(one.failed for one in awaited):
        raise ProgramFailed("something that it waited for failed")


def _fan_out(ctx: Replay, plan: Plan, *, values: Any) -> Steps:
    count, retries = values
    asked = [
        (ACTIVITIES[n % len(ACTIVITIES)], {"n": n, "cargo": cargo("task", n)}) for n in range(count)
    ]
    tasks = [ctx.activity(name, given, retries) for name, given in asked]
    yield tasks
    for (name, given), task in zip(asked, tasks, strict=True):
        if not task.failed and task.value != {"name": name, "given": given}:
            raise Violation(f"{ctx.instance_id} hears {task.value} from {name} of {given}")
    _heed(plan, tasks)


def _forget(ctx: Replay, _plan: Plan, *, values: Any) -> Steps:
    (name,) = values
    ctx.activity(name, "nobody waits")
    yield ()


def _sleep(ctx: Replay, _plan: Plan, *, values: Any) -> Steps:
    (seconds,) = values
    yield [ctx.timer(timedelta(seconds=seconds))]


def _await_event(ctx: Replay, _plan: Plan, *, values: Any) -> Steps:
    (name,) = values
    yield [ctx.event(name)]


def _race(ctx: Replay, _plan: Plan, *, values: Any) -> Steps:
    name, seconds = values
    yield AnyOf([ctx.event(name), ctx.timer(timedelta(seconds=seconds))])


def _children(ctx: Replay, plan: Plan, *, values: Any) -> Steps:
    name, count, retries = values
    tasks = [ctx.child(name, first_input(), retries=retries) for _ in range(count)]
    yield tasks
    for task in tasks:
        if not task.failed and task.value != {"program": name}:
            raise Violation(f"{ctx.instance_id} hears {task.value} from its child, a {name}")
    _heed(plan, tasks)


def _named_child(ctx: Replay, plan: Plan, *, values: Any) -> Steps:
    name, instance_id = values
    task = ctx.child(name, first_input(), instance_id)
    yield [task]
    _heed(plan, [task])


def _ended_child(ctx: Replay, plan: Plan, *, values: Any) -> Steps:
    name, seconds, recurse = values
    task = ctx.child(name, first_input())
    yield [ctx.timer(timedelta(seconds=seconds))]
    ctx.terminate(f"{ctx.instance_id}:{task.action.id:04x}", recurse=recurse)
    yield [task]
    _heed(plan, [task])


def _call(ctx: Replay, plan: Plan, *, values: Any) -> Steps:
    entity_id, operation, beside = values
    awaited = [ctx.call(entity_id, operation, None)]
    if beside:
        awaited.append(ctx.activity("flaky", "beside a call"))
    yield awaited
    _heed(plan, awaited)


def _hurry(ctx: Replay, plan: Plan, *, values: Any) -> Steps:
    """May fail while much of what it has asked for is still open."""
    entity_id, children, seconds = values
    flaky = ctx.activity("flaky", "in a hurry")
    rest = [ctx.activity("charge", "slow"), ctx.timer(timedelta(seconds=seconds))]
    rest += [ctx.child(name, first_input()) for name in children]
    if entity_id is not None:
        rest.append(ctx.call(entity_id, "add", None))
    yield [flaky]
    _heed(plan, [flaky])
    yield rest
    _heed(plan, rest)


def _signal(ctx: Replay, _plan: Plan, *, values: Any) -> Steps:
    entity_id, operation, seconds = values
    ctx.signal(entity_id, operation, None, timedelta(seconds=seconds) if seconds else None)
    yield ()


def _section(ctx: Replay, plan: Plan, *, values: Any) -> Steps:
    entity_ids, seconds = values
    section, granted = ctx.lock(entity_ids)
    yield [granted]
    inside = [ctx.call(entity_id, "enter", section) for entity_id in entity_ids]
    yield inside
    yield [ctx.timer(timedelta(seconds=seconds))]
    left = [ctx.call(entity_id, "leave", section) for entity_id in entity_ids]
    yield left
    ctx.unlock(section, entity_ids)
    _heed(plan, [*inside, *left])


def _abandoned_section(ctx: Replay, plan: Plan, *, values: Any) -> Steps:
    """A last step: nobody ends this section but the end of the execution."""
    (entity_ids,) = values
    ctx.lock(entity_ids)
    task = ctx.activity("flaky", "in no section yet")
    yield [task]
    _heed(plan, [task])


def _send(ctx: Replay, _plan: Plan, *, values: Any) -> Steps:
    instance_id, name = values
    ctx.send(instance_id, name, ctx.fresh())
    yield ()


def _fail(_ctx: Replay, plan: Plan, *, values: Any) -> Steps:
    if plan.careless:
        raise ProgramFailed(f"as it was told: {values}")
    yield ()


def _ask_the_impossible(ctx: Replay, _plan: Plan, *, values: Any) -> Steps:
    """An action that the scheduler cannot carry out: it must fail the orchestration."""
    name = "" if values else "charge"
    yield [ctx.activity(name, "an activity needs a name")]


def _some(rng: random.Random) -> tuple[str, ...]:
    return tuple(rng.sample(ENTITIES, rng.randint(1, 2)))


_Draw = Callable[[random.Random, Sequence[str]], tuple[Any, ...]]
_KINDS: Final[Mapping[str, tuple[Callable[..., Steps], _Draw]]] = {
    "fan_out": (_fan_out, lambda r, _c: (r.randint(1, 4), r.choice((0, 0, 2)))),
    "fan_in": (_fan_out, lambda r, _c: (r.randint(1, 2), r.choice((0, 1)))),
    "forget": (_forget, lambda r, _c: (r.choice(ACTIVITIES),)),
    "sleep": (_sleep, lambda r, _c: (r.choice(_SECONDS),)),
    "await_event": (_await_event, lambda r, _c: (r.choice(EVENTS),)),
    "race": (_race, lambda r, _c: (r.choice(EVENTS), r.choice(_SECONDS))),
    "children": (_children, lambda r, c: (r.choice(c), r.randint(1, 2), r.choice((0, 0, 1)))),
    "named_child": (_named_child, lambda r, c: (r.choice(c), r.choice(IDS))),
    "ended_child": (
        _ended_child,
        lambda r, c: (r.choice(c), r.choice(_SECONDS[:3]), r.random() < 0.5),
    ),
    "call": (
        _call,
        lambda r, _c: (r.choice(ENTITIES), r.choice(("add", "boom", "relay")), r.random() < 0.4),
    ),
    "hurry": (
        _hurry,
        lambda r, c: (r.choice((None, *ENTITIES)), tuple(c[: r.randint(0, 1)]), r.choice(_SECONDS)),
    ),
    "signal": (
        _signal,
        lambda r, _c: (r.choice(ENTITIES), r.choice(("add", "relay", "start")), r.choice(_SECONDS)),
    ),
    "section": (_section, lambda r, _c: (_some(r), r.choice(_SECONDS[:4]))),
    "send": (_send, lambda r, _c: (r.choice(IDS), r.choice(EVENTS))),
    "fail": (_fail, lambda r, _c: (r.randint(0, 9),)),
    "impossible": (_ask_the_impossible, lambda r, _c: (r.random() < 0.3,)),
}
