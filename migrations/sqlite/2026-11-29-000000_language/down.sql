ALTER TABLE transitions DROP COLUMN trigger_at;
ALTER TABLE statuses DROP COLUMN on_enter;
