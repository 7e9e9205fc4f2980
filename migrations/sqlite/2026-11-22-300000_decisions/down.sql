DROP TABLE delivery_decisions;
