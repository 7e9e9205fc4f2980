-- Answers to calls that change anything but orders, which have their history: for whoever repeats one. `scope` is what a
-- request id belongs to: `workflow/<code>`, `deliveries`, or `order/<workflow>/<order id>` in the partition of that order;
-- the others are in the first. `change_id` is random, so only the call that wrote a row knows it: so it tells whether a
-- commit that was not answered happened. Of calls from before there is none to tell. No foreign key: a repeated deletion
-- is answered too.
CREATE TABLE requests (
    partition INTEGER NOT NULL,
    scope TEXT NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    change_id BLOB NOT NULL CHECK (length(change_id) = 16),
    answer BLOB NOT NULL,
    create_time INTEGER NOT NULL,
    PRIMARY KEY (partition, scope, request_id)
) STRICT;

INSERT INTO requests (partition, scope, request_id, fingerprint, change_id, answer, create_time)
SELECT 0, CASE workflow WHEN '' THEN 'deliveries' ELSE 'workflow/' || workflow END, request_id, fingerprint, zeroblob(16),
    answer, create_time
FROM definition_requests;

-- The answer is the id of the token, or how many were revoked, in digits: of those there are never 16.
INSERT INTO requests (partition, scope, request_id, fingerprint, change_id, answer, create_time)
SELECT partition, 'order/' || workflow || '/' || order_id, request_id, fingerprint, zeroblob(16),
    coalesce(token_id, CAST(CAST(revoked AS TEXT) AS BLOB)), create_time
FROM tracking_requests;

-- The oldest ones are removed, see `requests_keep_days`.
CREATE INDEX requests_create_time ON requests (create_time);

DROP TABLE definition_requests;
DROP TABLE tracking_requests;
