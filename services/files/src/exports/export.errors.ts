import { refusal } from "@medvault/contracts";

export class ExportRunning extends refusal(
  "export_running",
  "An export of this record that you asked for is being made. Wait for it, or delete it.",
) {}

export class ExportLimit extends refusal(
  "export_limit",
  "Five exports that you asked for are waiting or being made. Wait for one of them, or delete one.",
) {}

export class ExportNotReady extends refusal(
  "export_not_ready",
  "The archive is not ready yet. Ask for its state.",
) {}

/** Downloaded, expired, or never made. */
export class ExportGone extends refusal(
  "export_gone",
  "There is no archive any more: it is given out once, and kept for a limited time. Ask for another export.",
) {}

export class ExportInDownload extends refusal(
  "export_in_download",
  "The archive is being downloaded. If that broke off, try again in a minute.",
) {}

export class PurposeRequired extends refusal(
  "purpose_required",
  "Exporting another's record needs a purpose. Send an X-Purpose header with an HL7 PurposeOfUse code.",
) {}
