import { refusal } from "@medvault/contracts";

/** 400: a mailed token that is unknown, used or too old; the three look alike. */
export class TokenInvalid extends refusal(
  "token_invalid",
  "This link is no longer valid. Ask for a new one.",
) {}

/** 409: the same client used this refresh token a moment ago; what it got then is still good. */
export class RefreshSuperseded extends refusal(
  "refresh_superseded",
  "This refresh token was just used. Use what it was traded for.",
) {}

/** 401: a used refresh token came again, so somebody has a copy: the session has ended. */
export class RefreshReused extends refusal(
  "refresh_reused",
  "This refresh token was used before. The session has ended; sign in again.",
) {}
