import { refusal } from "@medvault/contracts";

/**
 * 403: the caller reaches the chart, and the patient closed all of this kind to them. It is said,
 * so that whoever treats the patient knows that something is missing.
 */
export class PartClosed extends refusal(
  "part_closed",
  "The patient has closed this part of the chart to you. In an emergency, break the glass (POST /v1/patients/{id}/break-glass).",
) {}
