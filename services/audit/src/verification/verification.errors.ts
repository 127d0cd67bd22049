import { refusal } from "@medvault/contracts";

/** 409: one verification at a time; each reads the whole log. */
export class VerificationRunning extends refusal(
  "verification_running",
  "Another verification is running. Try again once it has ended.",
  { retryAfterSeconds: 30 },
) {}

/** What is wrong with the log, from entry `index` on; null where no single entry is to blame. */
export class LogFault extends Error {
  override readonly name = "LogFault";
  readonly index: number | null;
  constructor(words: string, index: number | null = null) {
    super(words);
    this.index = index;
  }
}
