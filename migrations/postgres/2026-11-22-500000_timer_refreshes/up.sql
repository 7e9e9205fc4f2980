-- Orders that have to be looked at because the timers of their workflow changed: those of a partition behind `after_key`.
-- `catalog_version` is the change.
CREATE TABLE timer_refreshes (
    partition INTEGER NOT NULL,
    workflow TEXT COLLATE "C" NOT NULL,
    catalog_version BIGINT NOT NULL,
    after_key BIGINT NOT NULL,
    PRIMARY KEY (partition, workflow)
);
