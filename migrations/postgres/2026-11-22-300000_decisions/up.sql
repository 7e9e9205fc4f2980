-- What people decided about deliveries, and who: numbered from 1 for each delivery, as its attempts are. `actor` is JSON.
CREATE TABLE delivery_decisions (
    partition INTEGER NOT NULL,
    log_offset BIGINT NOT NULL,
    number INTEGER NOT NULL,
    decision INTEGER NOT NULL,
    verdict TEXT COLLATE "C" NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (partition, log_offset, number, decision)
);
