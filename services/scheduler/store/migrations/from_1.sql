-- From version 1: lists sorted and filtered by any column, and counts. It stays as it is: each object
-- has the text that it had in the schema.sql of version 2.

-- Before there are triggers: an end that a worker calls canceled is kept as terminated now.
UPDATE instances SET status = 5 WHERE status = 4;

DROP INDEX instances_by_parent;
CREATE INDEX instances_by_parent ON instances (parent_id, created_at)
  WHERE parent_id IS NOT NULL;
CREATE INDEX instances_by_creation ON instances (parent_id IS NULL, created_at);
CREATE INDEX instances_by_update ON instances (parent_id IS NULL, updated_at);
CREATE INDEX instances_by_status ON instances (parent_id IS NULL, status, created_at);
CREATE INDEX instances_by_name ON instances (parent_id IS NULL, name, created_at);

-- Lists of entities in the order of their ids, by the time of their change: without it each row has
-- to be read past its state.
CREATE INDEX entities_by_id ON entities (entity_id, modified_at);

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

INSERT INTO counts SELECT iif(parent_id IS NULL, 'root', 'child'), status, count(*)
FROM instances GROUP BY parent_id IS NULL, status;
INSERT INTO counts SELECT 'entity', 0, count(*) FROM entities WHERE state IS NOT NULL;
