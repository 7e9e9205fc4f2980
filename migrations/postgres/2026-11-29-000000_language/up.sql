-- What an order sets off that comes to a status, and the instant at which a transition is due, as an expression. Roles and
-- guards of operations need no column: operations stand in their JSON.
ALTER TABLE statuses ADD COLUMN on_enter TEXT COLLATE "C" NOT NULL DEFAULT '[]';
ALTER TABLE transitions ADD COLUMN trigger_at TEXT COLLATE "C";
