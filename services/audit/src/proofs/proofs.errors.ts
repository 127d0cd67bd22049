import { AppError } from "@medvault/contracts";

/** 503: no signed checkpoint covers the entry yet; the next is at most 5 s away while a writer writes. */
export class NotYetSigned extends AppError {
  readonly code = "not_yet_signed";
  readonly kind = "unavailable";
  constructor(detail = "No signed checkpoint covers this yet.") {
    super(detail, { retryAfterSeconds: 2 });
  }
}

/** 500: what is stored does not give what was signed. Nothing false is handed out as a proof. */
export class AuditLogDamaged extends AppError {
  readonly code = "audit_log_damaged";
  readonly kind = "internal";
  constructor() {
    super(
      "The stored log does not agree with its signed checkpoint. An auditor should run the verification.",
    );
  }
}
