import { refusal } from "@medvault/contracts";

/** 429: as many streams as one person, or this process, may have. */
export class TooManyStreams extends refusal(
  "too_many_streams",
  "There are as many streams open as there may be. Close one that nobody reads, or try again later.",
  { retryAfterSeconds: 10 },
) {}
