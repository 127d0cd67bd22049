import { AppError } from "@medvault/contracts";

/** 409: who asks would take from themselves, or from every admin, what it takes to give it back. */
export class WouldLockOut extends AppError {
  readonly code = "would_lock_out";
  readonly kind = "conflict";
  constructor() {
    super("This would take away what is needed to undo it. Another admin can do it to you, nobody to all.");
  }
}

/** 409: guests hold nothing. */
export class RoleProtected extends AppError {
  readonly code = "role_protected";
  readonly kind = "conflict";
  constructor() {
    super("Guests hold no permissions.");
  }
}
