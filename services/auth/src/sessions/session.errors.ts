import { AppError, type NewEvent } from "@medvault/contracts";

/** 409: the same client used this refresh token a moment ago; what it got then is still good. Nothing is issued. */
export class RefreshSuperseded extends AppError {
  readonly code = "refresh_superseded";
  readonly kind = "conflict";
  constructor() {
    super("This refresh token was just used. Use what it was traded for.");
  }
}

/** 401: a used refresh token came again, so somebody has a copy: the session has ended. */
export class RefreshReused extends AppError {
  readonly code = "refresh_reused";
  readonly kind = "unauthenticated";
  constructor() {
    super("This refresh token was used before. The session has ended; sign in again.");
  }
}

/** 409: this account has as many sessions as it may, and by setting none of them gives way. */
export class SessionLimitReached extends AppError {
  readonly code = "session_limit_reached";
  readonly kind = "conflict";
  /** Written once the transaction of the sign-in is rolled back. */
  readonly event: NewEvent;
  constructor(event: NewEvent) {
    super("This account is signed in as often as it may be. End another session first.");
    this.event = event;
  }
}
