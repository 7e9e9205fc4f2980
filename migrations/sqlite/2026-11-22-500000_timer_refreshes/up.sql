-- Orders that have to be looked at because the timers of their workflow changed: those of a partition behind `after_key`.
-- `catalog_version` is the change.
CREATE TABLE timer_refreshes (
    partition INTEGER NOT NULL,
    workflow TEXT NOT NULL,
    catalog_version INTEGER NOT NULL,
    after_key INTEGER NOT NULL,
    PRIMARY KEY (partition, workflow)
) STRICT;
