-- What steps set off: actions as JSON beside what they belong to.
ALTER TABLE workflows ADD COLUMN on_create TEXT NOT NULL DEFAULT '[]';
ALTER TABLE workflows ADD COLUMN on_comment TEXT NOT NULL DEFAULT '[]';
ALTER TABLE states ADD COLUMN on_enter TEXT NOT NULL DEFAULT '[]';
ALTER TABLE states ADD COLUMN on_leave TEXT NOT NULL DEFAULT '[]';
ALTER TABLE transitions ADD COLUMN trigger_after TEXT;
ALTER TABLE transitions ADD COLUMN actions TEXT NOT NULL DEFAULT '[]';

-- What the entry set off to be sent after the step, as JSON; null for nothing.
ALTER TABLE history ADD COLUMN set_off TEXT;

-- When time alone will next do something with the order; null for never. A partial index, so that orders without
-- timers cost nothing.
ALTER TABLE orders ADD COLUMN due_time INTEGER;
CREATE INDEX orders_due ON orders (partition, due_time) WHERE due_time IS NOT NULL;

-- The account of everything that is sent after a step. A row is written in the transaction of its step; its key is the
-- place of the entry and a number from 0. `lane` is what goes in turn: the deliveries of one order to one
-- target. `order_version` is the version in which the step left the order. `due_time` is when to try (again); null for
-- one that is finished, or that waits for an earlier one of its lane.
CREATE TABLE deliveries (
    partition INTEGER NOT NULL,
    log_offset INTEGER NOT NULL,
    number INTEGER NOT NULL,
    order_key INTEGER NOT NULL,
    lane TEXT NOT NULL,
    workflow TEXT NOT NULL,
    order_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    order_version INTEGER NOT NULL,
    transition TEXT,
    action TEXT NOT NULL,
    kind TEXT NOT NULL,
    destination TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    problem TEXT NOT NULL,
    due_time INTEGER,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    PRIMARY KEY (partition, log_offset, number)
) STRICT;

-- What is due, by target, so that a target that hangs does not stand before the others.
CREATE INDEX deliveries_due ON deliveries (lane, partition, due_time) WHERE due_time IS NOT NULL;
-- What waits, by order and target.
CREATE INDEX deliveries_waiting ON deliveries (order_key, lane, partition, log_offset, number)
    WHERE state = 'pending';
-- What somebody may have to look at.
CREATE INDEX deliveries_open ON deliveries (state, partition, log_offset, number) WHERE state <> 'succeeded';

CREATE TABLE delivery_attempts (
    partition INTEGER NOT NULL,
    log_offset INTEGER NOT NULL,
    number INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    start_time INTEGER NOT NULL,
    duration_micros INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    code INTEGER,
    problem TEXT NOT NULL,
    answer BLOB NOT NULL,
    PRIMARY KEY (partition, log_offset, number, attempt)
) STRICT;

-- Where webhooks go. `secrets` is JSON: each secret, and until when an old one still signs.
CREATE TABLE endpoints (
    code TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    active INTEGER NOT NULL,
    problem TEXT NOT NULL,
    secrets TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
) STRICT;

-- The processes that carry deliveries and timers. Each counts `renewal` up as long as it lives; one whose count stands
-- still is dead.
CREATE TABLE dispatchers (
    id TEXT NOT NULL PRIMARY KEY,
    renewal INTEGER NOT NULL
) STRICT;

-- Which of them carries those of a partition. Every change of the account locks the row of its partition here.
CREATE TABLE dispatch_leases (
    partition INTEGER NOT NULL PRIMARY KEY,
    owner TEXT
) STRICT;
INSERT INTO dispatch_leases (partition) SELECT partition FROM partitions;
