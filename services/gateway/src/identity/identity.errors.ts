import { Forbidden, Unauthenticated } from "@medvault/contracts";

/** An access token was given and is not accepted. Its reason is for the event alone. */
export class TokenRefused extends Unauthenticated {
  constructor(cause?: unknown) {
    super("The access token is not valid.", { cause });
  }
}

/** The session behind the token has ended, was ended, or was never there. */
export class SessionEnded extends Unauthenticated {
  constructor() {
    super("The session has ended. Sign in again.");
  }
}

/** The session may only set up a second factor so far. */
export class EnrollmentRequired extends Forbidden {
  override readonly code = "mfa_enrollment_required";
  constructor() {
    super("Set up a second factor first: POST /v1/auth/mfa/setup.");
  }
}
