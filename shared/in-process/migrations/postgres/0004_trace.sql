-- The span under which the job was enqueued, as the header `traceparent` has it: the job's own span
-- begins under that one. Null where nothing is traced.
alter table job add column trace_parent text collate "C";
