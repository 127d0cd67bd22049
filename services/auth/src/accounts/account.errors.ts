import { AppError } from "@medvault/contracts";

/** 409: somebody has this username, in whatever case. */
export class UsernameTaken extends AppError {
  readonly code = "username_taken";
  readonly kind = "conflict";
  constructor() {
    super("This username is taken.");
  }
}

/** 409: only admins are told so; to others a taken address looks like a new one. */
export class EmailTaken extends AppError {
  readonly code = "email_taken";
  readonly kind = "conflict";
  constructor() {
    super("This address is taken.");
  }
}

/** 409: nobody would be left to administer. */
export class LastAdmin extends AppError {
  readonly code = "last_admin";
  readonly kind = "conflict";
  constructor() {
    super("At least one active admin must remain.");
  }
}
