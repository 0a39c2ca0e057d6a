-- What a check of a hub's file asks, and a backup of its copy. Each finds what must not be.

-- name: payloads
SELECT DISTINCT digest FROM payload_references ORDER BY digest;

-- name: inhabitants
SELECT (SELECT count(*) FROM instances),
  (SELECT count(*) FROM instances WHERE completed_at IS NULL),
  (SELECT count(*) FROM entities WHERE state IS NOT NULL);

-- name: instances
SELECT seq, instance_id, execution_id, status, completed_at FROM instances ORDER BY seq;

-- name: chunks
SELECT turn, events, chunk FROM histories WHERE instance = ? ORDER BY turn;

-- name: open_tasks
SELECT task_id FROM activities WHERE instance = ? AND execution_id = ? ORDER BY seq;

-- name: waiting
SELECT event FROM messages WHERE instance = :seq
UNION ALL SELECT event FROM alarms WHERE instance = :seq;

-- name: is_held
SELECT 1 FROM payload_references WHERE holder = ? AND seq = ? AND digest = ?;

-- name: orphan_histories
SELECT 'instance ' || h.instance, count(*) FROM histories h
WHERE NOT EXISTS (SELECT 1 FROM instances i WHERE i.seq = h.instance)
GROUP BY h.instance ORDER BY h.instance;

-- name: orphan_messages
SELECT 'instance ' || m.instance, count(*) FROM messages m
WHERE NOT EXISTS (SELECT 1 FROM instances i WHERE i.seq = m.instance)
GROUP BY m.instance ORDER BY m.instance;

-- name: orphan_alarms
SELECT 'instance ' || a.instance, count(*) FROM alarms a
WHERE a.instance IS NOT NULL AND NOT EXISTS (SELECT 1 FROM instances i WHERE i.seq = a.instance)
GROUP BY a.instance ORDER BY a.instance;

-- name: orphan_activities
SELECT 'instance ' || a.instance, count(*) FROM activities a
WHERE NOT EXISTS (SELECT 1 FROM instances i WHERE i.seq = a.instance)
GROUP BY a.instance ORDER BY a.instance;

-- name: orphan_operations
SELECT 'entity ' || o.entity, count(*) FROM operations o
WHERE NOT EXISTS (SELECT 1 FROM entities e WHERE e.seq = o.entity)
GROUP BY o.entity ORDER BY o.entity;

-- name: orphan_references
SELECT r.holder || ' ' || r.seq, count(*) FROM payload_references r
WHERE NOT EXISTS (SELECT 1 FROM instances i WHERE r.holder = 'instance' AND i.seq = r.seq)
  AND NOT EXISTS (SELECT 1 FROM entities e WHERE r.holder = 'entity' AND e.seq = r.seq)
  AND NOT EXISTS (
    SELECT 1 FROM alarms a WHERE r.holder = 'signal' AND a.instance IS NULL AND a.seq = r.seq)
  AND NOT (r.holder = 'operation' AND r.seq IN (SELECT seq FROM operations))
GROUP BY r.holder, r.seq ORDER BY r.holder, r.seq;

-- name: ended_owners
SELECT e.entity_id, e.owner FROM entities e
WHERE e.section IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM instances i WHERE i.instance_id = e.owner AND i.completed_at IS NULL)
ORDER BY e.seq;

-- name: wrong_counts
SELECT kind || ' of status ' || status, sum(stored) || ' counted, ' || sum(actual) || ' there'
FROM (
  SELECT kind, status, number AS stored, 0 AS actual FROM counts
  UNION ALL SELECT iif(parent_id IS NULL, 'root', 'child'), status, 0, count(*) FROM instances
    GROUP BY parent_id IS NULL, status
  UNION ALL SELECT 'entity', 0, 0, count(*) FROM entities WHERE state IS NOT NULL)
GROUP BY kind, status HAVING sum(stored) <> sum(actual) ORDER BY kind, status;
