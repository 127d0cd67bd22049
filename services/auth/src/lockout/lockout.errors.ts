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

/** 401: a second factor that is not it. */
export class InvalidCode extends WrongGuess {
  override readonly code = "invalid_code";
  constructor() {
    super("This code is not valid.");
  }
}

/** 401: a right code that was used before. It looks like a wrong one, but whoever has it has not guessed. */
export class CodeReplayed extends Unauthenticated {
  override readonly code = "invalid_code";
  constructor() {
    super("This code is not valid.");
  }
}

/** 401: the sign-in that this token belongs to is over. */
export class MfaTokenInvalid extends Unauthenticated {
  override readonly code = "mfa_token_invalid";
  constructor() {
    super("This sign-in is over. Begin again.");
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
