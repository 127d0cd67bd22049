import { refusal } from "@medvault/contracts";

/** 409: the claim is not in the state that this step starts from. */
export class InvalidTransition extends refusal(
  "invalid_transition",
  "The claim is not in a state that allows this step.",
) {}
