CREATE TABLE definition_requests (
    workflow TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    fingerprint BYTEA NOT NULL,
    answer BYTEA NOT NULL,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (workflow, request_id)
);

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

INSERT INTO definition_requests (workflow, request_id, fingerprint, answer, create_time)
SELECT CASE scope WHEN 'deliveries' THEN '' ELSE substr(scope, length('workflow/') + 1) END, request_id, fingerprint, answer,
    create_time
FROM requests WHERE scope = 'deliveries' OR scope LIKE 'workflow/%';

INSERT INTO tracking_requests (partition, workflow, order_id, request_id, fingerprint, token_id, revoked, create_time)
SELECT partition, substr(place, 1, strpos(place, '/') - 1), substr(place, strpos(place, '/') + 1), request_id, fingerprint,
    CASE WHEN length(answer) = 16 THEN answer END,
    CASE WHEN length(answer) <> 16 THEN CAST(convert_from(answer, 'UTF8') AS INTEGER) END, create_time
FROM (SELECT *, substr(scope, length('order/') + 1) AS place FROM requests WHERE scope LIKE 'order/%') AS requests_of_orders;

DROP TABLE requests;
