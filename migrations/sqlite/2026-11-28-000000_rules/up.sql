-- What becomes of a payment beyond what is due, and what a transition does beside moving an order. The defaults are the
-- rules that held before. Orders and entries need no column: what is new in them stands in their JSON.
ALTER TABLE workflows ADD COLUMN overpayment TEXT NOT NULL DEFAULT 'record';
ALTER TABLE transitions ADD COLUMN reverse INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transitions ADD COLUMN visible_to_customer INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transitions ADD COLUMN notify_customer INTEGER NOT NULL DEFAULT 0;
