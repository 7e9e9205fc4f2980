ALTER TABLE transitions DROP COLUMN notify_customer;
ALTER TABLE transitions DROP COLUMN visible_to_customer;
ALTER TABLE transitions DROP COLUMN reverse;
ALTER TABLE workflows DROP COLUMN overpayment;
