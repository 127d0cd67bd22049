import { AppError } from "@medvault/contracts";

/** 409: guests hold nothing, and admins keep what it takes to give a right back. */
export class RoleProtected extends AppError {
  readonly code = "role_protected";
  readonly kind = "conflict";
  constructor() {
    super("This would let guests in, or lock the admins out.");
  }
}
