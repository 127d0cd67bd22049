import { refusal, Unauthenticated } from "@medvault/contracts";
import { WrongGuess } from "../lockout/lockout.errors.ts";

/** 401: a second factor that is not it. */
export class InvalidCode extends WrongGuess {
  override readonly code = "invalid_code";
  constructor() {
    super("This code is not valid.");
  }
}

/** 401: a right code that was used before. It looks like a wrong one, but is no guess. */
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

/** 403: this role must have a second factor. */
export class MfaRequiredForRole extends refusal(
  "mfa_required_for_role",
  "Your role must have a second factor. Set another one up before you remove this one.",
) {}

/** 409: there is no second factor to give up or to make codes for. */
export class MfaNotEnabled extends refusal(
  "mfa_not_enabled",
  "There is no second factor. Set one up first.",
) {}

/** 409: verify without a set-up. */
export class MfaSetupMissing extends refusal(
  "mfa_setup_missing",
  "There is no set-up to verify. Begin with the set-up.",
) {}
