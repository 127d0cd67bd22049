/** Why the writer does not write; stable, shown in readiness and in the refusal's event. */
export type RefusalCode =
  | "outside_checkpoint_missing"
  | "outside_checkpoint_forged"
  | "outside_checkpoint_older"
  | "outside_checkpoint_unknown"
  | "outside_store_damaged"
  | "signing_key_changed"
  | "foreign_entry"
  | "log_truncated"
  | "log_changed"
  | "sequence_of_leaves_broken";

/**
 * The local log and the store outside do not agree: nothing may be appended or signed until a
 * person has looked. Never healed by the service itself, because every healing would also be a way
 * to hide.
 */
export class WriterRefuses extends Error {
  override readonly name = "WriterRefuses";
  readonly code: RefusalCode;
  /** To the consumer: nothing is wrong with the events, they wait in the queue. */
  readonly kind = "unavailable";
  constructor(code: RefusalCode, words: string) {
    super(words);
    this.code = code;
  }
}

/** Another process has the lease: this one stops, and nothing of its transaction stays. */
export class WriterFenced extends Error {
  override readonly name = "WriterFenced";
  readonly code = "writer_fenced";
  readonly kind = "unavailable";
  constructor() {
    super("another writer has taken over");
  }
}
