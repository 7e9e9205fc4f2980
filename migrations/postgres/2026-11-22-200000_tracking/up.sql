-- One row: the secret that signs the tokens of customers. `waymark migrate` makes it after this script, under its
-- lock, with random bytes of the system.
CREATE TABLE tracking_key (
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    secret BYTEA NOT NULL CHECK (length(secret) = 32),
    create_time BIGINT NOT NULL
);

-- The tokens of orders. A token is not stored: it is the key of its row, signed. No foreign key on orders, as
-- everywhere; an order that has tokens is never deleted.
CREATE TABLE tracking_tokens (
    partition INTEGER NOT NULL,
    id BYTEA NOT NULL CHECK (length(id) = 16),
    workflow TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    create_time BIGINT NOT NULL,
    create_actor TEXT NOT NULL,
    expire_time BIGINT,
    revoke_time BIGINT,
    revoke_actor TEXT,
    PRIMARY KEY (partition, id)
);

-- It begins otherwise than the primary key, so that no planner takes that one for want of statistics.
CREATE INDEX tracking_tokens_order ON tracking_tokens (workflow, order_id, partition, create_time) WHERE revoke_time IS NULL;

-- Calls that are answered when they come again: `token_id` is what one created, `revoked` how many one revoked.
CREATE TABLE tracking_requests (
    partition INTEGER NOT NULL,
    workflow TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    fingerprint BYTEA NOT NULL CHECK (length(fingerprint) = 16),
    token_id BYTEA,
    revoked INTEGER,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (partition, workflow, order_id, request_id),
    CHECK ((token_id IS NULL) <> (revoked IS NULL))
);
