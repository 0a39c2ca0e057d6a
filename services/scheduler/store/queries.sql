-- Every statement of the store. Ordering is always explicit.

-- name: insert_instance
INSERT INTO instances (instance_id, execution_id, name, version, status, parent_id,
  parent_execution_id, created_at, updated_at, scheduled_at, input, tags)
VALUES (:instance_id, :execution_id, :name, :version, :status, :parent_id,
  :parent_execution_id, :created_at, :updated_at, :scheduled_at, :input, :tags);

-- name: find_instance
SELECT seq, instance_id, execution_id, name, version, status, parent_id, parent_execution_id,
  created_at, updated_at, scheduled_at, completed_at, custom_status, failure, tags, trace,
  deliveries
FROM instances WHERE instance_id = ?;

-- name: load_instance
SELECT seq, instance_id, execution_id, name, version, status, parent_id, parent_execution_id,
  created_at, updated_at, scheduled_at, completed_at, custom_status, failure, tags, trace,
  deliveries
FROM instances WHERE seq = ?;

-- name: payloads_of
SELECT input, output FROM instances WHERE seq = ?;

-- name: save_turn
UPDATE instances SET status = :status, custom_status = :custom_status, trace = :trace,
  updated_at = :updated_at, deliveries = 0 WHERE seq = :seq;

-- name: save_status
UPDATE instances SET status = :status, updated_at = :now WHERE seq = :seq;

-- name: save_ending
UPDATE instances SET status = :status, output = :output, failure = :failure,
  custom_status = :custom_status, trace = :trace, deliveries = :deliveries, updated_at = :now,
  completed_at = :now WHERE seq = :seq;

-- name: save_next_execution
UPDATE instances SET execution_id = :execution_id, version = :version, input = :input,
  tags = :tags, trace = NULL, updated_at = :now WHERE seq = :seq;

-- name: save_rewinding
UPDATE instances SET status = :status, output = NULL, failure = NULL, completed_at = NULL,
  updated_at = :now WHERE seq = :seq;

-- name: save_rewound
UPDATE instances SET execution_id = :execution_id, updated_at = :now WHERE seq = :seq;

-- name: save_parent_execution
UPDATE instances SET parent_execution_id = :parent_execution_id WHERE seq = :seq;

-- name: touch_instance
UPDATE instances SET updated_at = :now WHERE seq = :seq;

-- name: delete_instance
DELETE FROM instances WHERE seq = ?;

-- name: children_of
SELECT seq, instance_id, status FROM instances WHERE parent_id = ? ORDER BY created_at, seq;

-- name: instances_with_work
SELECT i.seq, i.name, i.version, i.deliveries, i.status, min(m.seq) AS head
FROM messages m CROSS JOIN instances i ON i.seq = m.instance
GROUP BY i.seq ORDER BY head;

-- name: append_history
INSERT INTO histories (instance, turn, events, chunk) VALUES (?, ?, ?, ?);

-- name: load_history
SELECT turn, events, plain(chunk) FROM histories WHERE instance = ? ORDER BY turn;

-- name: history_after
SELECT turn, events, plain(chunk) FROM histories WHERE instance = ? AND turn > ?
ORDER BY turn LIMIT ?;

-- name: delete_history
DELETE FROM histories WHERE instance = ?;

-- name: insert_message
INSERT INTO messages (instance, seq, event) VALUES (?, ?, ?);

-- name: load_messages
SELECT seq, event FROM messages WHERE instance = ? ORDER BY seq LIMIT ?;

-- name: count_messages
SELECT count(*) FROM messages WHERE instance = ?;

-- name: delete_message
DELETE FROM messages WHERE instance = ? AND seq = ?;

-- name: delete_messages_of
DELETE FROM messages WHERE instance = ?;

-- name: insert_alarm
INSERT INTO alarms (due, instance, entity_id, event) VALUES (?, ?, ?, ?);

-- name: next_alarm
SELECT due FROM alarms ORDER BY due LIMIT 1;

-- name: due_alarms
SELECT seq, instance, entity_id, event FROM alarms WHERE due <= ? ORDER BY due, seq LIMIT ?;

-- name: delete_alarm
DELETE FROM alarms WHERE seq = ?;

-- name: alarms_of
SELECT event FROM alarms WHERE instance = ? ORDER BY seq;

-- name: delete_alarms_of
DELETE FROM alarms WHERE instance = ?;

-- name: insert_activity
INSERT INTO activities (instance, seq, execution_id, task_id, name, version, request)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: take_activity
DELETE FROM activities WHERE instance = ? AND seq = ? AND task_id = ?
RETURNING seq, instance, execution_id, task_id, name, version, deliveries;

-- name: delete_activity
DELETE FROM activities WHERE instance = ? AND seq = ?;

-- name: task_of
SELECT task_id FROM activities WHERE instance = ? AND seq = ?;

-- name: last_seq
SELECT max(coalesce((SELECT max(seq) FROM messages), 0),
  coalesce((SELECT max(seq) FROM activities), 0),
  coalesce((SELECT max(seq) FROM operations), 0));

-- name: request_of
SELECT request FROM activities WHERE instance = ? AND seq = ?;

-- name: tasks_of
SELECT task_id FROM activities WHERE instance = ? AND execution_id = ? ORDER BY seq;

-- name: move_activities
UPDATE activities SET execution_id = ? WHERE instance = ? AND execution_id = ?;

-- name: delete_activities_of
DELETE FROM activities WHERE instance = ? RETURNING seq;

-- name: open_activities
SELECT instance, seq, name, version, deliveries FROM activities ORDER BY seq;

-- name: insert_entity
INSERT INTO entities (entity_id, modified_at) VALUES (?, ?);

-- name: find_entity
SELECT seq, entity_id, state, modified_at, section, owner, deliveries FROM entities
WHERE entity_id = ?;

-- name: load_entity
SELECT seq, entity_id, state, modified_at, section, owner, deliveries FROM entities
WHERE seq = ?;

-- name: save_lock
UPDATE entities SET section = :section, owner = :owner WHERE seq = :seq;

-- name: save_entity
UPDATE entities SET state = :state, section = :section, owner = :owner, modified_at = :now,
  deliveries = 0 WHERE seq = :seq;

-- name: delete_entity
DELETE FROM entities WHERE seq = ?;

-- name: entities_with_work
SELECT DISTINCT e.seq FROM operations o CROSS JOIN entities e ON e.seq = o.entity ORDER BY e.seq;

-- name: insert_operation
INSERT INTO operations (entity, seq, owner, section, event) VALUES (?, ?, ?, ?, ?);

-- name: load_operations
SELECT seq, section, event FROM operations WHERE entity = ? ORDER BY seq LIMIT ?;

-- name: load_operations_of
SELECT seq, section, event FROM operations INDEXED BY operations_by_owner
WHERE entity = ? AND owner = ? AND section IS NULL ORDER BY seq LIMIT ?;

-- name: count_operations
SELECT count(*) FROM operations WHERE entity = ?;

-- name: delete_operation
DELETE FROM operations WHERE entity = ? AND seq = ?;

-- name: delete_lock_requests
DELETE FROM operations WHERE section = :section AND (:owner IS NULL OR owner = :owner)
RETURNING entity, seq;

-- name: count_delivery_of_instance
UPDATE instances SET deliveries = deliveries + 1 WHERE seq = ?;

-- name: count_delivery_of_activity
UPDATE activities SET deliveries = deliveries + 1 WHERE instance = ? AND seq = ?;

-- name: count_delivery_of_entity
UPDATE entities SET deliveries = deliveries + 1 WHERE seq = ?;

-- name: finished_before
SELECT seq FROM instances WHERE completed_at IS NOT NULL AND completed_at < ?
ORDER BY completed_at LIMIT ?;

-- name: purgeable
SELECT seq, instance_id FROM instances
WHERE completed_at IS NOT NULL AND seq > :after
  AND (:created_from IS NULL OR created_at >= :created_from)
  AND (:created_to IS NULL OR created_at < :created_to)
  AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
ORDER BY seq LIMIT :limit;

-- name: query_instances
SELECT seq, instance_id, execution_id, name, version, status, parent_id, parent_execution_id,
  created_at, updated_at, scheduled_at, completed_at, custom_status, failure, tags, trace,
  deliveries
FROM instances
WHERE seq > :after
  AND (:created_from IS NULL OR created_at >= :created_from)
  AND (:created_to IS NULL OR created_at < :created_to)
  AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
  AND (:prefix IS NULL OR substr(instance_id, 1, length(:prefix)) = :prefix)
ORDER BY seq LIMIT :limit;

-- name: list_completed
SELECT completed_at, instance_id FROM instances
WHERE completed_at IS NOT NULL
  AND (completed_at, instance_id) > (:after_time, :after_id)
  AND (:completed_from IS NULL OR completed_at >= :completed_from)
  AND (:completed_to IS NULL OR completed_at < :completed_to)
  AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
ORDER BY completed_at, instance_id LIMIT :limit;

-- name: query_entities
SELECT e.seq, e.entity_id, e.state, e.modified_at, e.section, e.owner, e.deliveries,
  (SELECT count(*) FROM operations o WHERE o.entity = e.seq) AS backlog
FROM entities e
WHERE e.entity_id > :after
  AND (:prefix IS NULL OR substr(e.entity_id, 1, length(:prefix)) = :prefix)
  AND (:modified_from IS NULL OR e.modified_at >= :modified_from)
  AND (:modified_to IS NULL OR e.modified_at < :modified_to)
  AND (:transient OR e.state IS NOT NULL)
ORDER BY e.entity_id LIMIT :limit;

-- name: empty_entities
SELECT e.seq FROM entities e
WHERE e.state IS NULL AND e.section IS NULL
  AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.entity = e.seq)
ORDER BY e.seq LIMIT ?;

-- name: orphaned_locks
SELECT e.seq, e.section FROM entities e
WHERE e.section IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM instances i WHERE i.instance_id = e.owner AND i.completed_at IS NULL)
ORDER BY e.seq LIMIT ?;

-- name: counts
SELECT kind, status, number FROM counts ORDER BY kind, status;

-- name: names
-- Jumps from one name to the next one: it costs as much as there are names, however many instances.
WITH RECURSIVE found (is_root, name) AS (
  VALUES (0, ''), (1, '')
  UNION ALL
  SELECT f.is_root, (
    SELECT i.name FROM instances i INDEXED BY instances_by_name
    WHERE (i.parent_id IS NULL) = f.is_root AND i.name > f.name ORDER BY i.name LIMIT 1)
  FROM found f WHERE f.name IS NOT NULL
  LIMIT :limit * 2 + 2
)
SELECT DISTINCT name FROM found WHERE name <> '' ORDER BY name LIMIT :limit;

-- name: sizes_of
SELECT coalesce(length(CAST(input AS BLOB)), 0), coalesce(length(CAST(output AS BLOB)), 0)
FROM instances WHERE seq = ?;

-- name: history_size
SELECT coalesce(sum(events), 0), coalesce(sum(iif(turn < :turn, events, 0)), 0),
  coalesce(max(turn) + 1, 0)
FROM histories WHERE instance = :instance;

-- name: history_turns
SELECT turn, events FROM histories WHERE instance = ? ORDER BY turn;

-- name: history_chunk
SELECT plain(chunk) FROM histories WHERE instance = ? AND turn = ?;

-- name: find_listed_entity
SELECT e.seq, e.entity_id, e.state, e.modified_at, e.section, e.owner,
  e.deliveries, (SELECT count(*) FROM operations o WHERE o.entity = e.seq) AS backlog,
  coalesce(length(CAST(e.state AS BLOB)), 0) AS bytes
FROM entities e WHERE e.entity_id = ?;

-- name: entity_window
-- The last id of a window: what is behind it is not looked at yet.
SELECT e.entity_id FROM entities e INDEXED BY entities_by_id
WHERE e.entity_id > :after AND e.entity_id >= :prefix AND e.entity_id < :above
ORDER BY e.entity_id LIMIT 1 OFFSET :window - 1;

-- name: list_entities
SELECT e.seq, e.entity_id, iif(:full, e.state, NULL), e.modified_at, e.section, e.owner,
  e.deliveries, (SELECT count(*) FROM operations o WHERE o.entity = e.seq) AS backlog,
  coalesce(length(CAST(e.state AS BLOB)), 0) AS bytes
FROM entities e INDEXED BY entities_by_id
WHERE e.entity_id > :after AND e.entity_id >= :prefix AND e.entity_id < :above
  AND e.entity_id <= :end
  AND (:modified_from IS NULL OR e.modified_at >= :modified_from)
  AND (:modified_to IS NULL OR e.modified_at < :modified_to)
  AND (:transient OR e.state IS NOT NULL)
ORDER BY e.entity_id LIMIT :limit;

-- name: count_entities
SELECT count(*) FROM (
  SELECT 1 FROM entities e INDEXED BY entities_by_id
  WHERE e.entity_id > :after AND e.entity_id >= :prefix AND e.entity_id < :above
    AND e.entity_id <= :end
    AND (:modified_from IS NULL OR e.modified_at >= :modified_from)
    AND (:modified_to IS NULL OR e.modified_at < :modified_to)
    AND (:transient OR e.state IS NOT NULL)
  LIMIT :limit);

-- name: hold_payload
INSERT OR IGNORE INTO payload_references (holder, seq, digest) VALUES (?, ?, ?);

-- name: release_payloads
DELETE FROM payload_references WHERE holder = ? AND seq = ?;

-- name: holds_payloads
SELECT 1 FROM payload_references WHERE holder = ? AND seq = ? LIMIT 1;

-- name: is_payload_held
SELECT 1 FROM payload_references WHERE digest = ? LIMIT 1;

-- name: any_payload
SELECT 1 FROM payload_references LIMIT 1;

-- name: stored_by_instance
-- All bytes of an incarnation that may name a payload, in no order.
SELECT input FROM instances WHERE seq = :seq
UNION ALL SELECT output FROM instances WHERE seq = :seq
UNION ALL SELECT custom_status FROM instances WHERE seq = :seq
UNION ALL SELECT failure FROM instances WHERE seq = :seq
UNION ALL SELECT plain(chunk) FROM histories WHERE instance = :seq
UNION ALL SELECT event FROM messages WHERE instance = :seq
UNION ALL SELECT event FROM alarms WHERE instance = :seq
UNION ALL SELECT request FROM activities WHERE instance = :seq;

-- name: stored_with_payloads
-- All bytes of a hub that seem to name a payload, with who holds them, in no order. It reads files of
-- every version since 1.
SELECT 'instance', seq, input FROM instances WHERE instr(input, :text) > 0
UNION ALL SELECT 'instance', seq, output FROM instances WHERE instr(output, :text) > 0
UNION ALL SELECT 'instance', seq, custom_status FROM instances WHERE instr(custom_status, :text) > 0
UNION ALL SELECT 'instance', seq, failure FROM instances WHERE instr(failure, :mark) > 0
UNION ALL SELECT 'instance', instance, plain(chunk) FROM histories
  WHERE instr(plain(chunk), :mark) > 0
UNION ALL SELECT 'instance', instance, event FROM messages WHERE instr(event, :mark) > 0
UNION ALL SELECT iif(instance IS NULL, 'signal', 'instance'), coalesce(instance, seq), event
  FROM alarms WHERE instr(event, :mark) > 0
UNION ALL SELECT 'instance', instance, request FROM activities WHERE instr(request, :mark) > 0
UNION ALL SELECT 'entity', seq, state FROM entities WHERE instr(state, :text) > 0
UNION ALL SELECT 'operation', seq, event FROM operations WHERE instr(event, :mark) > 0;

-- name: pending_roots
SELECT number FROM counts WHERE kind = 'root' AND status = ?;

-- name: inbox_size
SELECT count(*), coalesce(sum(length(event)), 0) FROM messages WHERE instance = ?;

-- name: queue_size
SELECT count(*), coalesce(sum(length(event)), 0) FROM operations WHERE entity = ?;

-- name: delayed_size
SELECT count(*), coalesce(sum(length(event)), 0) FROM alarms WHERE entity_id IS NOT NULL;
