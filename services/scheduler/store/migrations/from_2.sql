-- From version 2: payloads that lie in the payload store. What is stored already is looked through in
-- the same transaction (`references.fill`): a worker with a payload store may have used a scheduler
-- that knew nothing of it. It stays as it is: each object has the text that it had in the schema.sql
-- of version 3.

CREATE TABLE payload_references (
  holder TEXT NOT NULL, -- instance, entity (its state), operation, or signal (an alarm to an entity)
  seq INTEGER NOT NULL, -- of the holder
  digest BLOB NOT NULL, -- SHA-256 of the payload
  PRIMARY KEY (holder, seq, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX payload_references_by_digest ON payload_references (digest);
