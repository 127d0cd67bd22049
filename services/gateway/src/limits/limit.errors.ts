import { RateLimited, refusal } from "@medvault/contracts";

/** 429: a user opened more patients in an hour than work explains. */
export class TooManyPatients extends RateLimited {
  override readonly code = "too_many_patients";
  constructor(retryAfterSeconds: number) {
    super("Too many different patients were opened. Try again later.", retryAfterSeconds);
  }
}

/** 408: nothing more of a body came within the idle timeout. */
export class BodyTimeout extends refusal("request_timeout") {}
