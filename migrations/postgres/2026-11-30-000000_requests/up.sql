-- Answers to calls that change anything but orders, which have their history: for whoever repeats one. `scope` is what a
-- request id belongs to: `workflow/<code>`, `deliveries`, or `order/<workflow>/<order id>` in the partition of that order;
-- the others are in the first. `change_id` is random, so only the call that wrote a row knows it: so it tells whether a
-- commit that was not answered happened. Of calls from before there is none to tell. No foreign key: a repeated deletion
-- is answered too.
CREATE TABLE requests (
    partition INTEGER NOT NULL,
    scope TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    fingerprint BYTEA NOT NULL,
    change_id BYTEA NOT NULL CHECK (length(change_id) = 16),
    answer BYTEA NOT NULL,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (partition, scope, request_id)
);

INSERT INTO requests (partition, scope, request_id, fingerprint, change_id, answer, create_time)
SELECT 0, CASE workflow WHEN '' THEN 'deliveries' ELSE 'workflow/' || workflow END, request_id, fingerprint,
    decode(repeat('00', 16), 'hex'), answer, create_time
FROM definition_requests;

-- The answer is the id of the token, or how many were revoked, in digits: of those there are never 16.
INSERT INTO requests (partition, scope, request_id, fingerprint, change_id, answer, create_time)
SELECT partition, 'order/' || workflow || '/' || order_id, request_id, fingerprint, decode(repeat('00', 16), 'hex'),
    coalesce(token_id, convert_to(CAST(revoked AS TEXT), 'UTF8')), create_time
FROM tracking_requests;

-- The oldest ones are removed, see `requests_keep_days`.
CREATE INDEX requests_create_time ON requests (create_time);

DROP TABLE definition_requests;
DROP TABLE tracking_requests;
