import { AppError, Unauthenticated } from "@medvault/contracts";

/** A refusal that was a guess at a secret: it counts toward the lockout. */
export abstract class WrongGuess extends Unauthenticated {}

/** 401: no such account, wrong password, disabled, not yet activated: all alike. */
export class InvalidCredentials extends WrongGuess {
  override readonly code = "invalid_credentials";
  constructor() {
    super("These credentials are not valid.");
  }
}

/** 429: too many wrong guesses; `Retry-After` says when there is another. */
export class LoginLocked extends AppError {
  readonly code = "login_locked";
  readonly kind = "rate_limited";
  constructor(retryAfterSeconds: number) {
    super("Too many failed attempts. Try again later.", { retryAfterSeconds });
  }
}
