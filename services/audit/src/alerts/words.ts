import type { AlertRule, AlertSeverity } from "@medvault/contracts";
import type { Hit } from "./rule.ts";

/** When, in words. */
export function span({ firstAt, lastAt }: Pick<Hit, "firstAt" | "lastAt">): string {
  const [from, to] = [firstAt, lastAt].map((ms) => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z"));
  return from === to ? `at ${from}` : `from ${from} to ${to}`;
}

interface Words {
  readonly severity: AlertSeverity;
  readonly whatToDo: string;
}

/** How bad what a rule finds is, and what to do first. */
export const RULE_WORDS: Readonly<Record<AlertRule, Words>> = {
  failed_sign_ins: {
    severity: "medium",
    whatToDo:
      "Ask the account's owner whether it was them. If not, have them change their password and turn on a second factor; look at the events' addresses.",
  },
  failed_sign_ins_from_address: {
    severity: "medium",
    whatToDo:
      "Look at which accounts were tried from this address. If it is none of yours, block it at the firewall or proxy.",
  },
  denials: {
    severity: "medium",
    whatToDo:
      "Look at what was refused. If the person needs it, give them the right or a place on the care team; if not, ask them why they tried.",
  },
  injection: {
    severity: "critical",
    whatToDo:
      "End this person's sessions and disable the account until you have spoken with them: an attack came from a signed-in session, theirs or one that was taken over.",
  },
  guest_attacks: {
    severity: "low",
    whatToDo:
      "The requests were refused. Look at the events' addresses; block the busiest at the firewall or proxy if it goes on.",
  },
  session_address_changed: {
    severity: "medium",
    whatToDo:
      "Ask the person whether they changed networks. If not, end their sessions and have them change their password: somebody has their session.",
  },
  session_agent_changed: {
    severity: "high",
    whatToDo:
      "A session went on in another program or device, which a copied session does. End the person's sessions and have them change their password.",
  },
  session_limit: {
    severity: "low",
    whatToDo:
      "Ask the person whether all these sessions are theirs; what they do not know they end in their account.",
  },
  refresh_reused: {
    severity: "high",
    whatToDo:
      "Somebody holds a copy of a session's token. The session has ended; have its owner change their password and look at what the session did.",
  },
  mfa_bypass: {
    severity: "high",
    whatToDo:
      "Somebody tried to get past the second factor. If the account's owner does not know of it, their password is known to others: have them change it.",
  },
  new_country: {
    severity: "medium",
    whatToDo:
      "Ask the person whether they are travelling. If not, end their sessions and have them change their password.",
  },
  impossible_travel: {
    severity: "high",
    whatToDo:
      "Nobody travels that fast: one of the two sign-ins is not theirs, or one came through a VPN. Ask the person, and end their sessions if in doubt.",
  },
  break_glass: {
    severity: "high",
    whatToDo:
      "Read the reason (GET /v1/break-glass) and say whether it was justified. The patient sees it too.",
  },
  many_patients: {
    severity: "high",
    whatToDo:
      "Look at what the person does with so many charts. If it is not their work, end their sessions and take their rights.",
  },
  unusual_hour: {
    severity: "low",
    whatToDo:
      "Ask the person whether it was them; a night shift is a good reason, a session that was taken over is not.",
  },
  off_care_team: {
    severity: "medium",
    whatToDo:
      "Ask why they looked at charts of patients whom they do not treat. Who treats a patient belongs on the care team.",
  },
  own_chart: {
    severity: "medium",
    whatToDo:
      "Staff read their own chart as patients do, with their own account as a patient. Speak with the person.",
  },
  colleague_chart: {
    severity: "high",
    whatToDo:
      "Ask whether they treat this colleague. If not, tell the colleague and your data protection officer.",
  },
  family_name_chart: {
    severity: "low",
    whatToDo:
      "The same family name may be chance. If they are relatives, ask why they did not leave it to somebody else.",
  },
  integrity_failed: {
    severity: "critical",
    whatToDo:
      "Something was changed behind MedVault's back. Keep the disks as they are, and go on with docs/audit-log.md (the log) or docs/runbooks/damage.md (rows).",
  },
  audit_gap: {
    severity: "high",
    whatToDo:
      "Events of this part are missing. Look at its readiness and log and at the queue (npm run parked); GET /v1/audit/completeness says which numbers.",
  },
  writer_refusing: {
    severity: "critical",
    whatToDo:
      "Nothing is written into the log; events wait in the queue. docs/audit-log.md says what each code means and what to do.",
  },
  checkpoint_overdue: {
    severity: "high",
    whatToDo:
      "Entries are in the log that no checkpoint covers. Look at the audit service's log and at the disk of MEDVAULT_AUDIT_DIR.",
  },
  backup_failed: {
    severity: "high",
    whatToDo: "Look at the backup's error (GET /v1/backups) and make another one once it is mended.",
  },
  backup_unverified: {
    severity: "high",
    whatToDo:
      "Verify the newest backup (POST /v1/backups/{id}/verify), or make one: nobody knows whether what you have can be restored.",
  },
  key_rotation_overdue: {
    severity: "medium",
    whatToDo: "Rotate the key of this service: npm run keys -- rotate <service> (docs/runbooks/keys.md).",
  },
};
