import { AppError, Unavailable } from "@medvault/contracts";
import type { PasswordFault } from "./password-policy.ts";

const IN_WORDS: Readonly<Record<PasswordFault, string>> = {
  too_short: "is too short",
  needs_upper: "needs a capital letter",
  needs_lower: "needs a small letter",
  needs_digit: "needs a digit",
  needs_special: "needs a character that is no letter and no digit",
  common_password: "is one that many people use, or close to one",
  breached_password: "is in lists of stolen passwords",
  common_pattern: "holds a pattern, such as a row of keys or a repetition",
  like_username: "is too much like the username",
  like_email: "is too much like the mail address",
};

/** 400: the policy does not take this password; `errors` names every reason by its code. */
export class WeakPassword extends AppError {
  readonly code = "weak_password";
  readonly kind = "invalid";
  constructor(path: string, faults: readonly PasswordFault[]) {
    super("This password is not acceptable. Choose another one.", {
      errors: faults.map((fault) => ({ path, code: fault, message: IN_WORDS[fault] })),
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
