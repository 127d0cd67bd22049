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

/** How bad what a rule finds is, and what whoever sees it does first. */
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
};
