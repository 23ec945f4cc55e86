-- What a provider last said of a thing whose state may go back (a virtual account), as far as it was booked. Every completion
-- that tells such a state writes its row, so they take turns, in one gate and between gates; one that was claimed before the
-- last of them was booked, and says something else, may hold the older answer. Never purged, like the effects.
CREATE TABLE booked_states (
  provider  TEXT        NOT NULL,
  object    TEXT        NOT NULL,                            -- the provider's id of the thing
  state     TEXT        NOT NULL,                            -- SHA-256 of what the facts were, and on which they depended
  version   BIGINT      NOT NULL DEFAULT 1,                  -- +1 at every booking
  booked_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),  -- after the answer was asked for, before the commit
  PRIMARY KEY (provider, object)
);
