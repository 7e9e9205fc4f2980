CREATE TABLE definition_requests (
    workflow TEXT NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    answer BLOB NOT NULL,
    create_time INTEGER NOT NULL,
    PRIMARY KEY (workflow, request_id)
) STRICT;

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

INSERT INTO definition_requests (workflow, request_id, fingerprint, answer, create_time)
SELECT CASE scope WHEN 'deliveries' THEN '' ELSE substr(scope, length('workflow/') + 1) END, request_id, fingerprint, answer,
    create_time
FROM requests WHERE scope = 'deliveries' OR scope LIKE 'workflow/%';

INSERT INTO tracking_requests (partition, workflow, order_id, request_id, fingerprint, token_id, revoked, create_time)
SELECT partition, substr(place, 1, instr(place, '/') - 1), substr(place, instr(place, '/') + 1), request_id, fingerprint,
    CASE WHEN length(answer) = 16 THEN answer END,
    CASE WHEN length(answer) <> 16 THEN CAST(CAST(answer AS TEXT) AS INTEGER) END, create_time
FROM (SELECT *, substr(scope, length('order/') + 1) AS place FROM requests WHERE scope LIKE 'order/%');

DROP TABLE requests;
