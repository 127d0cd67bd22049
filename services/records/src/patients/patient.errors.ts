import { AppError } from "@medvault/contracts";

/** 409: the account has a patient record already. */
export class UserAlreadyLinked extends AppError {
  readonly code = "user_already_linked";
  readonly kind = "conflict";
  constructor() {
    super("This account has a patient record already.");
  }
}

/** 400: to see what is masked, one says why. */
export class PurposeRequired extends AppError {
  readonly code = "purpose_required";
  readonly kind = "invalid";
  constructor() {
    super("Unmasking wants an X-Purpose header with an HL7 PurposeOfUse code.");
  }
}
