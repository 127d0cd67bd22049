import { AppError } from "@medvault/contracts";
import type { Threat } from "./threat.ts";

/** 400: something in the request looks like an attack. The answer says neither what nor where. */
export class RequestScreened extends AppError {
  readonly code = "request_screened";
  readonly kind = "invalid";
  /** For the event and the count; never shown. */
  readonly threat: Threat;
  constructor(threat: Threat) {
    super("The request was refused.");
    this.threat = threat;
  }
}
