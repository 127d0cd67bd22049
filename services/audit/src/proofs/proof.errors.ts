import { AppError } from "@medvault/contracts";

/** 503: no signed checkpoint covers it yet; the next is 5 s away at most while a writer writes. */
export class NotYetSigned extends AppError {
  readonly code = "not_yet_signed";
  readonly kind = "unavailable";
  constructor(detail = "No signed checkpoint covers this yet. Try again in a few seconds.") {
    super(detail, { retryAfterSeconds: 2 });
  }
}

/** 500: what is stored does not give what was signed. Nothing false leaves as a proof. */
export class AuditLogDamaged extends AppError {
  readonly code = "audit_log_damaged";
  readonly kind = "internal";
  constructor() {
    super(
      "The stored log does not agree with its signed checkpoint. Ask an auditor to run the verification.",
    );
  }
}
