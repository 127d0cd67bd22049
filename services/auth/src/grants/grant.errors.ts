import { Unauthenticated } from "@medvault/contracts";
import { LoginLocked } from "../lockout/lockout.errors.ts";

/** Why the gate refused: for the event alone. The caller reads that it is not signed in. */
export type GateReason =
  | "account_gone"
  | "account_disabled"
  | "account_not_activated"
  | "account_locked"
  | "role_changed"
  | "permissions_changed"
  | "session_ended"
  | "second_factor_missing";

/** 401: the gate did not let this grant through. */
export class GrantRefused extends Unauthenticated {
  readonly reason: GateReason;
  constructor(reason: GateReason) {
    super();
    this.reason = reason;
  }
}

/** 429: the bucket in which this client would guess is locked, so nothing is given out to it. */
export class GrantLocked extends LoginLocked {
  readonly reason: GateReason = "account_locked";
}
