import { refusal } from "@medvault/contracts";

/** 409: the account has a patient record already. */
export class UserAlreadyLinked extends refusal(
  "user_already_linked",
  "This account has a patient record already.",
) {}

/** 409: both ids lead to one chart. */
export class AlreadyMerged extends refusal("already_merged", "Both ids lead to one chart already.") {}

/** 409: merges are flat. */
export class MergedElsewhere extends refusal(
  "merged_elsewhere",
  "The chart in `from` is merged with another one. Merge in the other direction, or unmerge it first.",
) {}

/** 409: one chart is of one account at most. */
export class AccountsConflict extends refusal(
  "accounts_conflict",
  "Both charts are linked to an account. Unlink one of them first; of a merged chart, unmerge it before.",
) {}

/** 409: what is erased is the chart that it was asked for, and one request of it waits at most. */
export class ErasureRequested extends refusal(
  "erasure_requested",
  "An erasure of this patient waits for a second person's approval. Until an admin approves, refuses or withdraws it, it is not asked for again, and the chart is neither merged nor unmerged.",
) {}

/** 409: nothing to undo. */
export class NotMerged extends refusal("not_merged", "There is no such merge of this chart.") {}

/** 400: to see what is masked, one says why. */
export class PurposeRequired extends refusal(
  "purpose_required",
  "Unmasking needs a purpose. Send an X-Purpose header with an HL7 PurposeOfUse code.",
) {}
