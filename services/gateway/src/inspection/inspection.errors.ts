import { AppError } from "@medvault/contracts";

/** 405: a method that nothing here answers. */
export class MethodNotAllowed extends AppError {
  readonly code = "method_not_allowed";
  readonly kind = "method_not_allowed";
}

/** 414: a target longer than any that this API has. */
export class TargetTooLong extends AppError {
  readonly code = "uri_too_long";
  readonly kind = "uri_too_long";
}
