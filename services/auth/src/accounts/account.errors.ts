import { AppError } from "@medvault/contracts";

/** 409: another account has this username, in whatever case. */
export class UsernameTaken extends AppError {
  readonly code = "username_taken";
  readonly kind = "conflict";
  constructor() {
    super("This username is taken. Choose another one.");
  }
}

/** 409: only admins read this; to others a taken address looks like a new one. */
export class EmailTaken extends AppError {
  readonly code = "email_taken";
  readonly kind = "conflict";
  constructor() {
    super("Another account has this address. Give another one.");
  }
}
