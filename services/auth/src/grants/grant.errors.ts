import { type NewEvent, Unauthenticated } from "@medvault/contracts";
import { LoginLocked } from "../lockout/lockout.errors.ts";

/** Why the gate refused. It goes into the event alone: the caller reads that it is not signed in. */
export type GateReason =
  | "account_gone"
  | "account_disabled"
  | "account_not_activated"
  | "account_locked"
  | "role_changed"
  | "permissions_changed"
  | "session_ended"
  | "second_factor_missing";

/** 401: the gate let this grant not through. */
export class GrantRefused extends Unauthenticated {
  readonly reason: GateReason;
  /** Written once the transaction of the grant is rolled back. */
  event: NewEvent | null = null;
  constructor(reason: GateReason) {
    super();
    this.reason = reason;
  }
}

/** 429: the lane that this client would guess in is locked, so nothing is given out in it. */
export class GrantLocked extends LoginLocked {
  readonly reason: GateReason = "account_locked";
  event: NewEvent | null = null;
}
