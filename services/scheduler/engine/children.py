"""How a sub-orchestration begins."""

from services.scheduler.engine.instance import Instance
from services.scheduler.engine.protos import StringValue, copy_optional, pb


def child_started(
    parent: Instance,
    task_id: int,
    created: pb.SubOrchestrationInstanceCreatedEvent,
    execution_id: str,
) -> pb.ExecutionStartedEvent:
    """The first event of a child, from the event that created it in its parent's history."""
    started = pb.ExecutionStartedEvent(
        name=created.name,
        orchestrationInstance=pb.OrchestrationInstance(
            instanceId=created.instanceId, executionId=StringValue(value=execution_id)
        ),
        parentInstance=pb.ParentInstanceInfo(
            taskScheduledId=task_id,
            name=StringValue(value=parent.started.name),
            version=parent.started.version if parent.started.HasField("version") else None,
            orchestrationInstance=parent.started.orchestrationInstance,
        ),
        tags=created.tags,
    )
    copy_optional(created, started, ("version", "input", "parentTraceContext"))
    return started
