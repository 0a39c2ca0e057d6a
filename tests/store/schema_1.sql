-- One task hub. Times are microseconds since 1970, UTC. Rows belong to an incarnation of an
-- instance (`seq`), not to its id: what replaces an instance never meets what the old one left.

CREATE TABLE instances (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, -- also the order of creation, and the cursor of pages
  instance_id TEXT NOT NULL UNIQUE,
  execution_id TEXT NOT NULL,
  name TEXT NOT NULL,
  version TEXT,
  status INTEGER NOT NULL, -- the protocol's numbers
  parent_id TEXT,
  parent_execution_id TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  scheduled_at INTEGER, -- of a start in the future
  completed_at INTEGER,
  input TEXT,
  output TEXT,
  custom_status TEXT,
  failure BLOB, -- TaskFailureDetails
  tags BLOB, -- ExecutionStartedEvent, tags only
  trace BLOB, -- OrchestrationTraceContext, as the last turn left it
  deliveries INTEGER NOT NULL DEFAULT 0 -- that ended their stream, running
) STRICT;
CREATE INDEX instances_by_parent ON instances (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX instances_by_completion ON instances (completed_at, instance_id)
  WHERE completed_at IS NOT NULL;

-- What each turn added, as bytes of an OrchestratorRequest that holds pastEvents and nothing else:
-- the history of a work item is these, joined.
CREATE TABLE histories (
  instance INTEGER NOT NULL,
  turn INTEGER NOT NULL,
  events INTEGER NOT NULL, -- how many
  chunk BLOB NOT NULL,
  PRIMARY KEY (instance, turn)
) STRICT, WITHOUT ROWID;

-- Inboxes: what the next turn of an orchestration takes in, in the order of arrival.
CREATE TABLE messages (
  instance INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  event BLOB NOT NULL, -- HistoryEvent
  PRIMARY KEY (instance, seq)
) STRICT, WITHOUT ROWID;

-- Messages visible in the future: timers, starts, signals. Of an instance, or to an entity.
CREATE TABLE alarms (
  seq INTEGER PRIMARY KEY,
  due INTEGER NOT NULL,
  instance INTEGER,
  entity_id TEXT,
  event BLOB NOT NULL -- HistoryEvent
) STRICT;
CREATE INDEX alarms_by_due ON alarms (due, seq);
CREATE INDEX alarms_by_instance ON alarms (instance) WHERE instance IS NOT NULL;

-- Activities, from the turn that scheduled one to the commit of its result. A completion token
-- names a row, so its `seq` never names another one, not even after a restart.
CREATE TABLE activities (
  instance INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  execution_id TEXT NOT NULL,
  task_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  version TEXT,
  request BLOB NOT NULL, -- ActivityRequest
  deliveries INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (instance, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE entities (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  entity_id TEXT NOT NULL UNIQUE,
  state TEXT,
  modified_at INTEGER NOT NULL,
  section TEXT, -- the critical section that holds the lock,
  owner TEXT, -- and the instance whose section it is
  deliveries INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Queues of entities: operations and lock requests, in the order of arrival.
CREATE TABLE operations (
  entity INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  owner TEXT, -- the instance that waits for it
  section TEXT, -- of a lock request
  event BLOB NOT NULL, -- HistoryEvent
  PRIMARY KEY (entity, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX operations_by_owner ON operations (entity, owner, seq)
  WHERE owner IS NOT NULL AND section IS NULL;
CREATE INDEX operations_by_section ON operations (section) WHERE section IS NOT NULL;
