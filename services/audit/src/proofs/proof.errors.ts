import { refusal } from "@medvault/contracts";

/** 503: no signed checkpoint covers it yet; the next is 5 s away at most while a writer writes. */
export class NotYetSigned extends refusal(
  "not_yet_signed",
  "No signed checkpoint covers this yet. Try again in a few seconds.",
  { retryAfterSeconds: 2 },
) {}

/** 500: what is stored does not give what was signed. Nothing false leaves as a proof. */
export class AuditLogDamaged extends refusal(
  "audit_log_damaged",
  "The stored log does not agree with its signed checkpoint. Ask an auditor to run the verification.",
) {}

/** 403, to a patient: the bytes that a proof is over name other patients, such as a list does. */
export class ProofNamesOthers extends refusal(
  "proof_names_others",
  "This entry names other patients too, and its proof would show who they are. Ask an auditor to check it for you.",
) {}
