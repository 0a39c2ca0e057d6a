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
CREATE INDEX instances_by_parent ON instances (parent_id, created_at)
  WHERE parent_id IS NOT NULL;
CREATE INDEX instances_by_completion ON instances (completed_at, instance_id)
  WHERE completed_at IS NOT NULL;

-- What lists are sorted and filtered by. Each begins with whether an instance is a root, so that
-- sub-orchestrations, most of all instances, can be hidden; a list of both merges the two halves.
-- Only `updated_at` changes with every turn.
CREATE INDEX instances_by_creation ON instances (parent_id IS NULL, created_at);
CREATE INDEX instances_by_update ON instances (parent_id IS NULL, updated_at);
CREATE INDEX instances_by_status ON instances (parent_id IS NULL, status, created_at);
CREATE INDEX instances_by_name ON instances (parent_id IS NULL, name, created_at);

-- How many there are, kept by triggers: part of whatever transaction changes it.
CREATE TABLE counts (
  kind TEXT NOT NULL, -- root, child, or entity (those that hold a state)
  status INTEGER NOT NULL, -- the protocol's numbers, 0 for entities
  number INTEGER NOT NULL,
  PRIMARY KEY (kind, status)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER instance_added AFTER INSERT ON instances BEGIN
  INSERT INTO counts VALUES (iif(new.parent_id IS NULL, 'root', 'child'), new.status, 1)
  ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER instance_removed AFTER DELETE ON instances BEGIN
  UPDATE counts SET number = number - 1
  WHERE kind = iif(old.parent_id IS NULL, 'root', 'child') AND status = old.status;
END;
CREATE TRIGGER instance_changed AFTER UPDATE OF status ON instances
WHEN new.status <> old.status BEGIN
  UPDATE counts SET number = number - 1
  WHERE kind = iif(old.parent_id IS NULL, 'root', 'child') AND status = old.status;
  INSERT INTO counts VALUES (iif(new.parent_id IS NULL, 'root', 'child'), new.status, 1)
  ON CONFLICT DO UPDATE SET number = number + 1;
END;

-- What each turn added, as bytes of an OrchestratorRequest that holds pastEvents and nothing else:
-- the history of a work item is these, joined. Larger ones are deflated; `plain` gives the bytes.
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
-- Lists of entities in the order of their ids, by the time of their change: without it each row has
-- to be read past its state.
CREATE INDEX entities_by_id ON entities (entity_id, modified_at);

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

-- An entity exists while it holds a state.
CREATE TRIGGER entity_added AFTER INSERT ON entities WHEN new.state IS NOT NULL BEGIN
  INSERT INTO counts VALUES ('entity', 0, 1) ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER entity_removed AFTER DELETE ON entities WHEN old.state IS NOT NULL BEGIN
  UPDATE counts SET number = number - 1 WHERE kind = 'entity' AND status = 0;
END;
CREATE TRIGGER entity_changed AFTER UPDATE OF state ON entities
WHEN (new.state IS NULL) <> (old.state IS NULL) BEGIN
  INSERT INTO counts VALUES ('entity', 0, iif(new.state IS NULL, -1, 1))
  ON CONFLICT DO UPDATE SET number = number + excluded.number;
END;

-- Payloads that lie in the payload store: which are named by whose bytes. A file is collected once no
-- hub names it.
CREATE TABLE payload_references (
  holder TEXT NOT NULL, -- instance, entity (its state), operation, or signal (an alarm to an entity)
  seq INTEGER NOT NULL, -- of the holder
  digest BLOB NOT NULL, -- SHA-256 of the payload
  PRIMARY KEY (holder, seq, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX payload_references_by_digest ON payload_references (digest);
