import { refusal } from "@medvault/contracts";

/** 409: another account has this username, in whatever case. */
export class UsernameTaken extends refusal("username_taken", "This username is taken. Choose another one.") {}

/** 409: only admins read this; to others a taken address looks like a new one. */
export class EmailTaken extends refusal(
  "email_taken",
  "Another account has this address. Give another one.",
) {}
