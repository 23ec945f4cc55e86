-- Where the topics ended when a batch was confirmed: the offsets behind their last records, all partitions together. They
-- never go back while a topic lives, so a relay that takes over knows a topic that was made anew, however long the log is.
-- Null: not known.
ALTER TABLE relay_checkpoint ADD COLUMN events_end BIGINT, ADD COLUMN outcomes_end BIGINT;
