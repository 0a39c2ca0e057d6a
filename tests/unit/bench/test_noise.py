import pytest

from scripts.bench.noise import Noise
from scripts.bench.processes import MachineTime


def test_a_machine_that_computes_evenly_and_alone_is_quiet() -> None:
    noise = Noise(spins=[0.0100, 0.0101], others=[0.01])
    assert noise.verdict == "quiet: figures can be compared"


def test_others_are_told() -> None:
    noise = Noise(spins=[0.01], others=[0.01, 0.3])
    assert noise.verdict.startswith("noisy: others used up to 30% of the machine;")


def test_a_machine_that_computes_unevenly_is_told() -> None:
    noise = Noise(spins=[0.01, 0.01, 0.02])
    assert noise.verdict.startswith(
        "noisy: the time of the same computation varied by 100% of its median"
    )


def test_what_others_used_is_what_is_not_ours() -> None:
    noise = Noise()
    noise.look()
    now = MachineTime.now()
    noise.note(MachineTime(busy=now.busy - 2.0, stolen=now.stolen), 1.0, 3.0)
    assert noise.others == [0.0]
    noise.note(MachineTime(busy=now.busy - 1e6, stolen=now.stolen), 1e6, 0.0)
    assert 0 < noise.others[1] <= 1
    document = noise.as_document()
    assert document["othersCpuPercent"]["max"] == pytest.approx(100 * noise.others[1])
    assert document["spinMilliseconds"]["min"] > 0


def test_without_a_look_there_is_nothing_to_tell() -> None:
    document = Noise().as_document()
    assert document["verdict"] == "nothing was looked at"
    assert document["spinMilliseconds"] is None
