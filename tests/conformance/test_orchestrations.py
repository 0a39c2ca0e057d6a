from durabletask import task

from tests.conformance.hub import Hub, Steps


def test_an_orchestration_returns_its_output(hub: Hub) -> None:
    def double(_: task.ActivityContext, number: int) -> int:
        return number * 2

    def chain(ctx: task.OrchestrationContext, number: int) -> Steps:
        once = yield ctx.call_activity(double, input=number)
        return (yield ctx.call_activity(double, input=once))

    with hub.worker(orchestrators=[chain], activities=[double]):
        state = hub.ran(chain, input=4)
    assert state.runtime_status.name == "COMPLETED"
    assert state.get_output(int) == 16
