import { AppError, refusal, Unauthenticated } from "@medvault/contracts";
import { WrongGuess } from "../lockout/lockout.errors.ts";

/** Why a passkey was refused: for the event alone, the answers are alike. */
export type PasskeyFault =
  | "account_not_usable"
  | "challenge_unknown"
  | "counter_went_back"
  | "foreign_origin"
  | "not_verified"
  | "registration_invalid"
  | "signature_invalid"
  | "suspended"
  | "unknown_passkey"
  | "wrong_user";

/** 401: a passkey that opens nothing here. All faults look alike and count toward the lockout. */
export class InvalidPasskey extends WrongGuess {
  override readonly code = "invalid_passkey";
  readonly fault: PasskeyFault;
  constructor(fault: PasskeyFault) {
    super("This passkey is not accepted.");
    this.fault = fault;
  }
}

/** 401: a passkey of before the last reset, which needs the password beside it once. No guess. */
export class PasskeySuspended extends Unauthenticated {
  override readonly code = "passkey_suspended";
  readonly fault: PasskeyFault = "suspended";
  constructor() {
    super(
      "The password was reset since. Sign in with the new one, and use this passkey as the second factor once.",
    );
  }
}

/** 401: the signed challenge is used, too old or for something else. Nothing was guessed. */
export class PasskeyChallengeInvalid extends Unauthenticated {
  override readonly code = "passkey_challenge_invalid";
  readonly fault: PasskeyFault = "challenge_unknown";
  constructor() {
    super("This took too long or was used already. Begin again.");
  }
}

/** 400: what the browser sent is no registration of a passkey for this site. */
export class PasskeyRejected extends AppError {
  readonly code = "passkey_rejected";
  readonly kind = "invalid";
  readonly fault: PasskeyFault;
  constructor(fault: PasskeyFault) {
    super("This passkey cannot be registered. Ask for new options and try again.");
    this.fault = fault;
  }
}

/** 409: as many passkeys as one may have. */
export class PasskeyLimit extends refusal(
  "passkey_limit",
  "Passkey limit reached. Remove another passkey first.",
) {}

/** 409: this credential is registered already. */
export class PasskeyKnown extends refusal(
  "passkey_known",
  "This passkey is registered already. Use another one.",
) {}
