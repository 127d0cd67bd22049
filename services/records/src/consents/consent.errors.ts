import { refusal } from "@medvault/contracts";
import { MAX_CONSENTS } from "./consent.ts";

/** 409: the same is in force already. */
export class AlreadyGiven extends refusal(
  "already_given",
  "The same is in force already. To change when it ends, revoke it and give it again.",
) {}

/** 409: a part is closed to those who treat the patient; anyone else sees nothing of it anyway. */
export class NotOnCareTeam extends refusal(
  "not_on_care_team",
  "A part is closed to someone of the care team, and this person is not on it.",
) {}

/** 409: the patient has as many in force as anyone may. */
export class ConsentLimit extends refusal(
  "consent_limit",
  `${MAX_CONSENTS} consents are in force for this chart. Revoke those that are not needed any more.`,
) {}
