DROP TABLE tracking_requests;
DROP TABLE tracking_tokens;
DROP TABLE tracking_key;
