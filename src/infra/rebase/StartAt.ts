/**
 * From where on the log is compared with what the topics hold; what they hold already is never published again.
 * - `kafka`: from its beginning: the topics alone say what was published
 * - `postgres`: behind the checkpoint in Postgres: what it covers counts as published, whatever the topics hold
 * - a position: up to it everything counts as published
 */
export type StartAt = "kafka" | "postgres" | number
