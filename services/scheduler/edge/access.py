"""What each call of the service does to its task hub: reads it, or may change it.

A work item is taken from the others, and an answer decides what happens: workers change things.
"""

from collections.abc import Mapping
from typing import Final

from services.scheduler.auth.identity import Access

# Complete: a call that does not stand here cannot be served.
ACCESS: Final[Mapping[str, Access]] = {
    "Hello": Access.READ,
    "GetInstance": Access.READ,
    "WaitForInstanceStart": Access.READ,
    "WaitForInstanceCompletion": Access.READ,
    "QueryInstances": Access.READ,
    "ListInstanceIds": Access.READ,
    "StreamInstanceHistory": Access.READ,
    "GetEntity": Access.READ,
    "QueryEntities": Access.READ,
    "StartInstance": Access.CHANGE,
    "RewindInstance": Access.CHANGE,
    "RestartInstance": Access.CHANGE,
    "RaiseEvent": Access.CHANGE,
    "SuspendInstance": Access.CHANGE,
    "ResumeInstance": Access.CHANGE,
    "TerminateInstance": Access.CHANGE,
    "PurgeInstances": Access.CHANGE,
    "SkipGracefulOrchestrationTerminations": Access.CHANGE,
    "SignalEntity": Access.CHANGE,
    "CleanEntityStorage": Access.CHANGE,
    "GetWorkItems": Access.CHANGE,
    "CompleteActivityTask": Access.CHANGE,
    "CompleteOrchestratorTask": Access.CHANGE,
    "CompleteEntityTask": Access.CHANGE,
    "AbandonTaskActivityWorkItem": Access.CHANGE,
    "AbandonTaskOrchestratorWorkItem": Access.CHANGE,
    "AbandonTaskEntityWorkItem": Access.CHANGE,
    "CreateTaskHub": Access.CHANGE,
    "DeleteTaskHub": Access.CHANGE,
}

# A dynamic task hub is made for these; whatever else changes something needs what is in one.
MAKES_HUB: Final = frozenset(
    {name for name, access in ACCESS.items() if access is Access.READ} - {"StreamInstanceHistory"}
    | {"GetWorkItems", "StartInstance", "SignalEntity"}
)
