import { AppError, GUEST_PERMISSIONS } from "@medvault/contracts";

/** 409: a change that takes what is needed to undo it. `auditSelfLockout` records each. */
export abstract class SelfLockout extends AppError {
  readonly kind = "conflict";
}

/** 409: it would take from the caller, or from every admin, what it takes to give it back. */
export class WouldLockOut extends SelfLockout {
  readonly code = "would_lock_out";
  constructor() {
    super("You would lose the permission to undo this. Ask another admin to do it.");
  }
}

/** 409: it is not safe for anyone who is not signed in. */
export class RoleProtected extends SelfLockout {
  readonly code = "role_protected";
  constructor() {
    super(`A guest may hold ${GUEST_PERMISSIONS.join(" and ")} alone. Give the others to another role.`);
  }
}

/** 409: nobody would be left to administer. */
export class LastAdmin extends SelfLockout {
  readonly code = "last_admin";
  constructor() {
    super("This is the last active admin. Make another admin first.");
  }
}
