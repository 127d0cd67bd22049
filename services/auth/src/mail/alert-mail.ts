import type { AlertAnnouncement } from "@medvault/contracts";
import { type Mail, SIGNATURE } from "./mail.ts";

/** Of an alert of the audit log's rules. It has no link, so that nobody learns to click. */
export function alertMail({ to, id, alert }: { to: string; id: string; alert: AlertAnnouncement }): Mail {
  if (alert.change === "test") {
    return {
      to,
      subject: "MedVault: a test of alerts",
      text: `Someone tries whether alerts arrive. Nothing happened, and there is nothing to do.${SIGNATURE}`,
    };
  }
  return {
    to,
    subject: `MedVault alert (${alert.severity}): ${alert.rule.replaceAll("_", " ")}`,
    text: `A rule of the audit log raised an alert.

Rule:      ${alert.rule}
Severity:  ${alert.severity}
Since:     ${alert.openedAt}
Alert:     ${id}

Sign in as you always do and open this alert: it says why it was raised, by which events, and what to do.
By API: GET /v1/audit/alerts/${id}${SIGNATURE}`,
  };
}
