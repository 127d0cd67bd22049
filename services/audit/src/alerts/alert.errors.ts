import { refusal } from "@medvault/contracts";

/** 409: what was closed is opened again first. */
export class AlertTransition extends refusal(
  "invalid_transition",
  "This alert is closed. Open it again before you acknowledge it.",
) {}
