-- What becomes of a payment beyond what is due, and what a transition does beside moving an order. The defaults are the
-- rules that held before. Orders and entries need no column: what is new in them stands in their JSON.
ALTER TABLE workflows ADD COLUMN overpayment TEXT COLLATE "C" NOT NULL DEFAULT 'record';
ALTER TABLE transitions ADD COLUMN reverse BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE transitions ADD COLUMN visible_to_customer BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE transitions ADD COLUMN notify_customer BOOLEAN NOT NULL DEFAULT FALSE;
