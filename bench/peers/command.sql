-- What orderHold and orderResume send to PostgreSQL, in their order and in one transaction, as pgbench's script.
-- Which order comes next is looked up, because pgbench knows no ids; ids, keys and the hash are made by the database.
\set turn :turn + 1
\set nth (:client_id + :turn * :clients) % :orders
BEGIN ISOLATION LEVEL READ COMMITTED;
INSERT INTO idempotency (user_id, key, input_hash, answer, created_at)
VALUES (:manager::uuid, uuidv7()::text, sha256(uuidv7()::text::bytea),
        (SELECT jsonb_build_object('object', id::text) FROM bench_order WHERE nth = :nth), now())
ON CONFLICT DO NOTHING RETURNING key \gset
SELECT id, number, title, description, kind, state, priority, project_id, customer_id, contractor_id, wbs_node_id,
       cost_code_id, planned_start, planned_end, due_on, actual_start, actual_end, currency, amount,
       percent_complete, revision, version, created_at, updated_at, submitted_by_id, edited_by_id,
       (state = 'ON_HOLD')::int AS is_held
  FROM engineering_order
 WHERE id = (SELECT id FROM bench_order WHERE nth = :nth) AND project_id = ANY (:projects::uuid[])
   FOR NO KEY UPDATE OF engineering_order \gset order_
SELECT project_id = ANY (:projects::uuid[]) AS is_granted, false AS may_exceed_limit,
       (SELECT approval_limit FROM project WHERE id = engineering_order.project_id) AS approval_limit,
       (SELECT hash FROM event WHERE aggregate_id = engineering_order.id ORDER BY version DESC LIMIT 1) AS hash
  FROM engineering_order WHERE id = :order_id::uuid AND project_id = ANY (:projects::uuid[]) \gset previous_
SELECT id, order_id, position, item, description, quantity, uom, unit_price, amount, done_quantity, progress_at
  FROM order_line WHERE order_id = :order_id::uuid ORDER BY position;
SELECT id, order_id, user_id, task, assigned_at FROM assignment WHERE order_id = :order_id::uuid;
\set next :order_version + 1
\if :order_is_held
UPDATE engineering_order SET state = 'IN_PROGRESS', version = :next, updated_at = now() WHERE id = :order_id::uuid;
WITH written AS (
  INSERT INTO event (id, aggregate_type, aggregate_id, version, type, occurred_at, recorded_at, actor_id, project_id,
                     changes, note, details, request_id, address, previous_hash, hash)
  VALUES (uuidv7(), 'Order', :order_id::uuid, :next, 'OrderResumed', now(), now(), :manager::uuid,
          :order_project_id::uuid, '{"state": ["ON_HOLD", "IN_PROGRESS"]}', NULL, '{}', uuidv7()::text, '127.0.0.1',
          :previous_hash::bytea, sha256(:previous_hash::bytea || :key::bytea)) RETURNING id
), queued AS (INSERT INTO event_outbox (event_id) SELECT id FROM written)
SELECT pg_notify('eoms_outbox', '');
\else
UPDATE engineering_order SET state = 'ON_HOLD', version = :next, updated_at = now() WHERE id = :order_id::uuid;
WITH written AS (
  INSERT INTO event (id, aggregate_type, aggregate_id, version, type, occurred_at, recorded_at, actor_id, project_id,
                     changes, note, details, request_id, address, previous_hash, hash)
  VALUES (uuidv7(), 'Order', :order_id::uuid, :next, 'OrderHeld', now(), now(), :manager::uuid,
          :order_project_id::uuid, '{"state": ["IN_PROGRESS", "ON_HOLD"]}', 'Rain', '{}', uuidv7()::text, '127.0.0.1',
          :previous_hash::bytea, sha256(:previous_hash::bytea || :key::bytea)) RETURNING id
), queued AS (INSERT INTO event_outbox (event_id) SELECT id FROM written)
SELECT pg_notify('eoms_outbox', '');
\endif
SELECT id, number, title, description, kind, state, priority, project_id, customer_id, contractor_id, wbs_node_id,
       cost_code_id, planned_start, planned_end, due_on, actual_start, actual_end, amount, currency,
       percent_complete, revision, version, created_at, updated_at, ARRAY[]::text[] AS hidden_fields
  FROM engineering_order WHERE project_id = ANY (:projects::uuid[]) AND id = ANY (ARRAY[:order_id::uuid]);
COMMIT;
