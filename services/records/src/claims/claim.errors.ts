import { AppError } from "@medvault/contracts";

/** 409: the claim is not in the state that this step starts from. */
export class InvalidTransition extends AppError {
  readonly code = "invalid_transition";
  readonly kind = "conflict";
  constructor() {
    super("The claim is not in a state that allows this step.");
  }
}
