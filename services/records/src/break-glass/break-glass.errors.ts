import { Forbidden, refusal } from "@medvault/contracts";
import { MAX_RUNNING } from "./break-glass.ts";

/** 409: this person's access to this chart runs already. */
export class BreakGlassRunning extends refusal(
  "break_glass_running",
  "Your emergency access to this chart is running already. Use it; ask again once it has ended.",
) {}

/** 409: this person has as many charts open as anyone may. */
export class BreakGlassLimit extends refusal(
  "break_glass_limit",
  `You have emergency access to ${MAX_RUNNING} charts already. Wait for one to end, or ask to be put on the care team.`,
) {}

/** 409: a review stands. */
export class AlreadyReviewed extends refusal(
  "invalid_transition",
  "This emergency access was reviewed already, and its review stands.",
) {}

/** 403: nobody reviews what they did themselves. */
export class OwnBreakGlass extends Forbidden {
  constructor() {
    super("This emergency access was yours: someone else must review it.");
  }
}
