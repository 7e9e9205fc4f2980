-- One row: the secret that signs the tokens of customers. `waymark migrate` makes it after this script, under its
-- lock, with random bytes of the system.
CREATE TABLE tracking_key (
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    secret BLOB NOT NULL CHECK (length(secret) = 32),
    create_time INTEGER NOT NULL
) STRICT;

-- The tokens of orders. A token is not stored: it is the key of its row, signed. No foreign key on orders, as
-- everywhere; an order that has tokens is never deleted. With row ids, since without them SQLite prefers the primary
-- key to the index below where it changes the tokens of an order.
CREATE TABLE tracking_tokens (
    partition INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    workflow TEXT NOT NULL,
    order_id TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    create_actor TEXT NOT NULL,
    expire_time INTEGER,
    revoke_time INTEGER,
    revoke_actor TEXT,
    PRIMARY KEY (partition, id)
) STRICT;

-- It begins otherwise than the primary key, so that no planner takes that one for want of statistics.
CREATE INDEX tracking_tokens_order ON tracking_tokens (workflow, order_id, partition, create_time) WHERE revoke_time IS NULL;

-- Calls that are answered when they come again: `token_id` is what one created, `revoked` how many one revoked.
CREATE TABLE tracking_requests (
    partition INTEGER NOT NULL,
    workflow TEXT NOT NULL,
    order_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 16),
    token_id BLOB,
    revoked INTEGER,
    create_time INTEGER NOT NULL,
    PRIMARY KEY (partition, workflow, order_id, request_id),
    CHECK ((token_id IS NULL) <> (revoked IS NULL))
) STRICT, WITHOUT ROWID;
