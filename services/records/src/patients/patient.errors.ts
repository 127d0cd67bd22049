import { refusal } from "@medvault/contracts";

/** 409: the account has a patient record already. */
export class UserAlreadyLinked extends refusal(
  "user_already_linked",
  "This account has a patient record already.",
) {}

/** 400: to see what is masked, one says why. */
export class PurposeRequired extends refusal(
  "purpose_required",
  "Unmasking needs a purpose. Send an X-Purpose header with an HL7 PurposeOfUse code.",
) {}
