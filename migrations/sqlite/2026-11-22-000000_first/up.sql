-- One row: which deployment this is. The id tells resume tokens of another deployment apart.
CREATE TABLE deployment (
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    id BLOB NOT NULL CHECK (length(id) = 16),
    partition_count INTEGER NOT NULL CHECK (partition_count BETWEEN 1 AND 1024),
    create_time INTEGER NOT NULL
) STRICT;

-- One row for each change of any workflow; the highest version says whether a cached workflow is still
-- true. The random id tells whether a change whose commit was not answered happened.
CREATE TABLE catalog (
    version INTEGER NOT NULL PRIMARY KEY CHECK (version >= 1),
    change_id BLOB NOT NULL CHECK (length(change_id) = 16),
    workflow TEXT NOT NULL,
    create_time INTEGER NOT NULL
) STRICT;

-- One row for each partition: what a write transaction locks first, and never updates.
CREATE TABLE partitions (
    partition INTEGER NOT NULL PRIMARY KEY
) STRICT;

CREATE TABLE workflows (
    code TEXT NOT NULL PRIMARY KEY,
    label TEXT NOT NULL,
    description TEXT NOT NULL,
    initial_state TEXT NOT NULL,
    default_store_view TEXT,
    comment_status TEXT NOT NULL,
    status_sharing TEXT NOT NULL,
    refunded_units TEXT NOT NULL,
    operations TEXT NOT NULL,
    max_cascade INTEGER NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
) STRICT;

CREATE TABLE states (
    workflow TEXT NOT NULL REFERENCES workflows (code),
    code TEXT NOT NULL,
    label TEXT NOT NULL,
    category TEXT NOT NULL,
    can_start INTEGER NOT NULL,
    operations TEXT NOT NULL,
    holdable INTEGER NOT NULL,
    terminal INTEGER NOT NULL,
    entry_guard TEXT,
    position INTEGER NOT NULL,
    PRIMARY KEY (workflow, code)
) STRICT, WITHOUT ROWID;

-- `ever_used` is set by the first order that lands on the status, and never cleared.
CREATE TABLE statuses (
    workflow TEXT NOT NULL REFERENCES workflows (code),
    code TEXT NOT NULL,
    label TEXT NOT NULL,
    store_view_labels TEXT NOT NULL,
    description TEXT NOT NULL,
    color TEXT,
    position INTEGER NOT NULL,
    retired INTEGER NOT NULL,
    ever_used INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    PRIMARY KEY (workflow, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE assignments (
    workflow TEXT NOT NULL,
    state TEXT NOT NULL,
    status TEXT NOT NULL,
    is_default INTEGER NOT NULL,
    visible_on_storefront INTEGER NOT NULL,
    PRIMARY KEY (workflow, state, status),
    FOREIGN KEY (workflow, state) REFERENCES states (workflow, code),
    FOREIGN KEY (workflow, status) REFERENCES statuses (workflow, code)
) STRICT, WITHOUT ROWID;

-- A state never has two defaults, whatever the code does.
CREATE UNIQUE INDEX assignments_default ON assignments (workflow, state) WHERE is_default = 1;

CREATE TABLE transitions (
    workflow TEXT NOT NULL REFERENCES workflows (code),
    code TEXT NOT NULL,
    label TEXT NOT NULL,
    description TEXT NOT NULL,
    from_statuses TEXT NOT NULL,
    from_states TEXT NOT NULL,
    to_state TEXT NOT NULL,
    to_status TEXT,
    guard TEXT,
    trigger_kind TEXT NOT NULL,
    trigger_operations TEXT NOT NULL,
    operation TEXT,
    roles TEXT NOT NULL,
    position INTEGER NOT NULL,
    version INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    PRIMARY KEY (workflow, code),
    FOREIGN KEY (workflow, to_state) REFERENCES states (workflow, code)
) STRICT, WITHOUT ROWID;

-- Every version a workflow has had since it was made.
CREATE TABLE workflow_versions (
    workflow TEXT NOT NULL REFERENCES workflows (code),
    version INTEGER NOT NULL,
    actor TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    changes TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (workflow, version)
) STRICT;

-- Answers to remembered changes of definitions. No foreign key: a repeated deletion is answered too.
CREATE TABLE definition_requests (
    workflow TEXT NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    answer BLOB NOT NULL,
    create_time INTEGER NOT NULL,
    PRIMARY KEY (workflow, request_id)
) STRICT;

-- Where every order stands. `order_key` is the offset of its first entry in the partition, so rows arrive
-- in key order. `body` is the whole order; the other columns repeat what is searched. `journal` says where its
-- newest entries stand in the log, so that history needs no index with random keys. No foreign keys on
-- this table and the next: the write path locks the partition and checks the workflow itself, and a key
-- would cost a lookup for every row and a shared lock on rows that every step needs.
CREATE TABLE orders (
    partition INTEGER NOT NULL,
    order_key INTEGER NOT NULL,
    workflow TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    status TEXT NOT NULL,
    return_state TEXT,
    return_status TEXT,
    version INTEGER NOT NULL CHECK (version >= 1),
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    body TEXT NOT NULL,
    journal BLOB NOT NULL,
    PRIMARY KEY (partition, order_key)
) STRICT;

-- No other index begins as one of these does: a planner that knows nothing yet of a young table could take
-- the wrong one, and keep it.
CREATE UNIQUE INDEX orders_id ON orders (workflow, id, partition);
CREATE INDEX orders_standing ON orders (state, status, workflow, partition, update_time, order_key);
CREATE INDEX orders_return ON orders (return_state, return_status, workflow, partition) WHERE return_state IS NOT NULL;

-- Everything that ever happened, in commit order for each partition. Only the first entry of a step carries
-- the request id; all entries of a step carry the offset of the first.
CREATE TABLE history (
    partition INTEGER NOT NULL,
    log_offset INTEGER NOT NULL CHECK (log_offset >= 1),
    step_offset INTEGER NOT NULL,
    order_key INTEGER NOT NULL,
    workflow TEXT NOT NULL,
    order_id TEXT NOT NULL,
    sequence INTEGER NOT NULL CHECK (sequence >= 1),
    kind TEXT NOT NULL,
    from_state TEXT,
    from_status TEXT,
    to_state TEXT NOT NULL,
    to_status TEXT NOT NULL,
    transition TEXT,
    comment TEXT NOT NULL,
    notify_customer INTEGER NOT NULL,
    visible_to_customer INTEGER NOT NULL,
    actor TEXT NOT NULL,
    request_id TEXT,
    fingerprint BLOB,
    caused_by INTEGER NOT NULL,
    workflow_version INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    detail TEXT NOT NULL,
    batch_id BLOB NOT NULL CHECK (length(batch_id) = 16),
    PRIMARY KEY (partition, log_offset)
) STRICT;

-- Where the older entries of orders with long histories stand.
CREATE TABLE journal_pages (
    partition INTEGER NOT NULL,
    order_key INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL,
    page BLOB NOT NULL,
    PRIMARY KEY (partition, order_key, first_sequence)
) STRICT, WITHOUT ROWID;

-- Which orders a customer has. Written when an order is created or changes hands, so that no index with
-- random keys sits on the rows that every step touches.
CREATE TABLE customer_orders (
    workflow TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    partition INTEGER NOT NULL,
    order_key INTEGER NOT NULL,
    PRIMARY KEY (workflow, customer_id, partition, order_key)
) STRICT, WITHOUT ROWID;
