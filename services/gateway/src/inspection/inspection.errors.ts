import { refusal } from "@medvault/contracts";

/** 405: a method that nothing here answers. */
export class MethodNotAllowed extends refusal("method_not_allowed") {}

/** 414: a target longer than any that this API has. */
export class TargetTooLong extends refusal("uri_too_long") {}
