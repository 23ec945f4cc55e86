/** What an audit can find wrong; ids, codes and counts only. */
export type DifferenceCode =
  // the log against the table
  | "row_missing"
  | "row_differs"
  | "log_missing"
  | "version_gap"
  | "event_unreadable"
  | "event_of_newer_version"
  | "facts_of_completion"
  // custody
  | "body_missing"
  | "body_without_event"
  // the log against the booked effects
  | "effect_missing"
  | "effect_unproven"
  | "effect_doubled"
  | "effect_differs"
  // the log against the topics
  | "record_missing"
  | "record_unknown"
  | "record_doubled"
  | "record_differs"
  // the table against the one rebuilt from the log
  | "rebuilt_differs"

/** One disagreement; `expected` is what the log says. */
export interface Difference {
  readonly code: DifferenceCode
  /** Of the row, or the id of the fact or record. */
  readonly field?: string
  readonly expected: string | number | boolean | null
  readonly found: string | number | boolean | null
}

/** A difference and the event that it is about. */
export interface Finding extends Difference {
  readonly endpoint: string
  readonly key: string
}
