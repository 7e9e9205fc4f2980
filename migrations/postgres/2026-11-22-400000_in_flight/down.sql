DROP TABLE lost_timers;
DROP TABLE lost_deliveries;
ALTER TABLE dispatchers DROP COLUMN timers_in_flight;
ALTER TABLE dispatchers DROP COLUMN deliveries_in_flight;
