-- Rows that signers lock while they make a key, so that two that are asked at once make one: lane is a hash of what the
-- key is for, turn is counted so that also a cluster notices two writers.
CREATE TABLE IF NOT EXISTS bulla_key_lanes (lane int NOT NULL PRIMARY KEY, turn bigint NOT NULL) ENGINE=InnoDB;
