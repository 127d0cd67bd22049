import { refusal } from "@medvault/contracts";

/** 409: the doctor has another appointment that stands in this time. */
export class SlotTaken extends refusal("slot_taken", "The doctor has no time then. Choose another time.") {}

/** 409: the patient has asked for as many appointments as may wait for an answer. */
export class RequestLimitReached extends refusal(
  "request_limit_reached",
  "Several requests of yours wait for an answer. Wait for it, or cancel one of them.",
) {}

/** 409: the appointment is in a state that does not lead to the one that was asked for. */
export class StepRefused extends refusal(
  "invalid_transition",
  "The appointment is not in a state that allows this change.",
) {}
