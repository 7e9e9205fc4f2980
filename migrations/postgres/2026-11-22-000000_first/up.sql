-- One row: which deployment this is. The id tells resume tokens of another deployment apart.
CREATE TABLE deployment (
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    id BYTEA NOT NULL CHECK (length(id) = 16),
    partition_count INTEGER NOT NULL CHECK (partition_count BETWEEN 1 AND 1024),
    create_time BIGINT NOT NULL
);

-- One row for each change of any workflow; the highest version says whether a cached workflow is still
-- true. The random id tells whether a change whose commit was not answered happened.
CREATE TABLE catalog (
    version BIGINT NOT NULL PRIMARY KEY CHECK (version >= 1),
    change_id BYTEA NOT NULL CHECK (length(change_id) = 16),
    workflow TEXT COLLATE "C" NOT NULL,
    create_time BIGINT NOT NULL
);

-- One row for each partition: what a write transaction locks first, and never updates.
CREATE TABLE partitions (
    partition INTEGER NOT NULL PRIMARY KEY
);

CREATE TABLE workflows (
    code TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    label TEXT NOT NULL,
    description TEXT NOT NULL,
    initial_state TEXT COLLATE "C" NOT NULL,
    default_store_view TEXT COLLATE "C",
    comment_status TEXT COLLATE "C" NOT NULL,
    status_sharing TEXT COLLATE "C" NOT NULL,
    refunded_units TEXT COLLATE "C" NOT NULL,
    operations TEXT NOT NULL,
    max_cascade INTEGER NOT NULL,
    version BIGINT NOT NULL CHECK (version >= 1),
    create_time BIGINT NOT NULL,
    update_time BIGINT NOT NULL
);

CREATE TABLE states (
    workflow TEXT COLLATE "C" NOT NULL REFERENCES workflows (code),
    code TEXT COLLATE "C" NOT NULL,
    label TEXT NOT NULL,
    category TEXT COLLATE "C" NOT NULL,
    can_start BOOLEAN NOT NULL,
    operations TEXT NOT NULL,
    holdable BOOLEAN NOT NULL,
    terminal BOOLEAN NOT NULL,
    entry_guard TEXT,
    position INTEGER NOT NULL,
    PRIMARY KEY (workflow, code)
);

-- `ever_used` is set by the first order that lands on the status, and never cleared.
CREATE TABLE statuses (
    workflow TEXT COLLATE "C" NOT NULL REFERENCES workflows (code),
    code TEXT COLLATE "C" NOT NULL,
    label TEXT NOT NULL,
    store_view_labels TEXT NOT NULL,
    description TEXT NOT NULL,
    color TEXT COLLATE "C",
    position INTEGER NOT NULL,
    retired BOOLEAN NOT NULL,
    ever_used BOOLEAN NOT NULL DEFAULT FALSE,
    version BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    update_time BIGINT NOT NULL,
    PRIMARY KEY (workflow, code)
);

CREATE TABLE assignments (
    workflow TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    is_default BOOLEAN NOT NULL,
    visible_on_storefront BOOLEAN NOT NULL,
    PRIMARY KEY (workflow, state, status),
    FOREIGN KEY (workflow, state) REFERENCES states (workflow, code),
    FOREIGN KEY (workflow, status) REFERENCES statuses (workflow, code)
);

-- A state never has two defaults, whatever the code does.
CREATE UNIQUE INDEX assignments_default ON assignments (workflow, state) WHERE is_default;

CREATE TABLE transitions (
    workflow TEXT COLLATE "C" NOT NULL REFERENCES workflows (code),
    code TEXT COLLATE "C" NOT NULL,
    label TEXT NOT NULL,
    description TEXT NOT NULL,
    from_statuses TEXT NOT NULL,
    from_states TEXT NOT NULL,
    to_state TEXT COLLATE "C" NOT NULL,
    to_status TEXT COLLATE "C",
    guard TEXT,
    trigger_kind TEXT COLLATE "C" NOT NULL,
    trigger_operations TEXT NOT NULL,
    operation TEXT COLLATE "C",
    roles TEXT NOT NULL,
    position INTEGER NOT NULL,
    version BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    update_time BIGINT NOT NULL,
    PRIMARY KEY (workflow, code),
    FOREIGN KEY (workflow, to_state) REFERENCES states (workflow, code)
);

-- Every version a workflow has had since it was made.
CREATE TABLE workflow_versions (
    workflow TEXT COLLATE "C" NOT NULL REFERENCES workflows (code),
    version BIGINT NOT NULL,
    actor TEXT NOT NULL,
    create_time BIGINT NOT NULL,
    changes TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (workflow, version)
);

-- Answers to remembered changes of definitions. No foreign key: a repeated deletion is answered too.
CREATE TABLE definition_requests (
    workflow TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    fingerprint BYTEA NOT NULL,
    answer BYTEA NOT NULL,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (workflow, request_id)
);

-- Where every order stands. `order_key` is the offset of its first entry in the partition, so rows arrive
-- in key order. `body` is the whole order; the other columns repeat what is searched. `journal` says where its
-- newest entries stand in the log, so that history needs no index with random keys. No foreign keys on
-- this table and the next: the write path locks the partition and checks the workflow itself, and a key
-- would cost a lookup for every row and a shared lock on rows that every step needs.
CREATE TABLE orders (
    partition INTEGER NOT NULL,
    order_key BIGINT NOT NULL,
    workflow TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    return_state TEXT COLLATE "C",
    return_status TEXT COLLATE "C",
    version BIGINT NOT NULL CHECK (version >= 1),
    create_time BIGINT NOT NULL,
    update_time BIGINT NOT NULL,
    body TEXT NOT NULL,
    journal BYTEA NOT NULL,
    PRIMARY KEY (partition, order_key)
);

-- No other index begins as one of these does: a planner that knows nothing yet of a young table could take
-- the wrong one, and keep it.
CREATE UNIQUE INDEX orders_id ON orders (workflow, id, partition);
CREATE INDEX orders_standing ON orders (state, status, workflow, partition, update_time, order_key);
CREATE INDEX orders_return ON orders (return_state, return_status, workflow, partition) WHERE return_state IS NOT NULL;

-- Everything that ever happened, in commit order for each partition. Only the first entry of a step carries
-- the request id; all entries of a step carry the offset of the first.
CREATE TABLE history (
    partition INTEGER NOT NULL,
    log_offset BIGINT NOT NULL CHECK (log_offset >= 1),
    step_offset BIGINT NOT NULL,
    order_key BIGINT NOT NULL,
    workflow TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL CHECK (sequence >= 1),
    kind TEXT COLLATE "C" NOT NULL,
    from_state TEXT COLLATE "C",
    from_status TEXT COLLATE "C",
    to_state TEXT COLLATE "C" NOT NULL,
    to_status TEXT COLLATE "C" NOT NULL,
    transition TEXT COLLATE "C",
    comment TEXT NOT NULL,
    notify_customer BOOLEAN NOT NULL,
    visible_to_customer BOOLEAN NOT NULL,
    actor TEXT NOT NULL,
    request_id TEXT COLLATE "C",
    fingerprint BYTEA,
    caused_by BIGINT NOT NULL,
    workflow_version BIGINT NOT NULL,
    metadata TEXT NOT NULL,
    create_time BIGINT NOT NULL,
    detail TEXT NOT NULL,
    batch_id BYTEA NOT NULL CHECK (length(batch_id) = 16),
    PRIMARY KEY (partition, log_offset)
);

-- Where the older entries of orders with long histories stand.
CREATE TABLE journal_pages (
    partition INTEGER NOT NULL,
    order_key BIGINT NOT NULL,
    first_sequence BIGINT NOT NULL,
    page BYTEA NOT NULL,
    PRIMARY KEY (partition, order_key, first_sequence)
);

-- Which orders a customer has. Written when an order is created or changes hands, so that no index with
-- random keys sits on the rows that every step touches.
CREATE TABLE customer_orders (
    workflow TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    partition INTEGER NOT NULL,
    order_key BIGINT NOT NULL,
    PRIMARY KEY (workflow, customer_id, partition, order_key)
);
