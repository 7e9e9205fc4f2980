-- What a process is working on, as JSON, written before it begins: deliveries by their keys and the times of their last
-- change, orders by their keys and versions. What has changed since then was not being worked on any more.
ALTER TABLE dispatchers ADD COLUMN deliveries_in_flight TEXT NOT NULL DEFAULT '[]';
ALTER TABLE dispatchers ADD COLUMN timers_in_flight TEXT NOT NULL DEFAULT '[]';

-- How often a process ended while it worked on a delivery, or on an order that was due in this version. Rows are
-- few, and go as soon as the work is done.
CREATE TABLE lost_deliveries (
    partition INTEGER NOT NULL,
    log_offset INTEGER NOT NULL,
    number INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    PRIMARY KEY (partition, log_offset, number)
) STRICT;
CREATE TABLE lost_timers (
    partition INTEGER NOT NULL,
    order_key INTEGER NOT NULL,
    version INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    PRIMARY KEY (partition, order_key)
) STRICT;
