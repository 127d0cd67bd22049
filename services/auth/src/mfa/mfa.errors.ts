import { AppError } from "@medvault/contracts";

/** 403: this role must have a second factor. */
export class MfaRequiredForRole extends AppError {
  readonly code = "mfa_required_for_role";
  readonly kind = "forbidden";
  constructor() {
    super("Your role must have a second factor.");
  }
}

/** 409: there is no second factor to give up or to make codes for. */
export class MfaNotEnabled extends AppError {
  readonly code = "mfa_not_enabled";
  readonly kind = "conflict";
  constructor() {
    super("There is no second factor.");
  }
}

/** 409: verify without a set-up. */
export class MfaSetupMissing extends AppError {
  readonly code = "mfa_setup_missing";
  readonly kind = "conflict";
  constructor() {
    super("Begin with the set-up.");
  }
}
