import { AppError, Unavailable } from "@medvault/contracts";
import type { PasswordFault } from "./password-policy.ts";

/** 400: the policy does not take this password; `errors` names every reason by its code. */
export class WeakPassword extends AppError {
  readonly code = "weak_password";
  readonly kind = "invalid";
  constructor(path: string, faults: readonly PasswordFault[]) {
    super("This password is not acceptable. Choose another one.", {
      errors: faults.map((fault) => ({ path, code: fault, message: fault })),
    });
  }
}

/** 400: the new password is the one of now, so nothing would change. */
export class PasswordUnchanged extends AppError {
  readonly code = "password_unchanged";
  readonly kind = "invalid";
  constructor() {
    super("The new password is the present one. Choose another one.", {
      errors: [
        { path: "newPassword", code: "password_unchanged", message: "must not be the present password" },
      ],
    });
  }
}

/** 503: more sign-ins at once than this process will hash. */
export class HasherBusy extends Unavailable {}
