DROP TABLE timer_refreshes;
