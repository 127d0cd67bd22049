import type { AlertNotice } from "../delivery/delivery.ts";
import type { Alert } from "./alert.ts";
import type { OpenedAlert } from "./rule.ts";
import { RULE_WORDS } from "./words.ts";

/** What leaves the house of an alert that was opened now; never why it fired, which names whom. */
export const openedNotice = ({ id, rule, lastAt, count, events }: OpenedAlert, now: Date): AlertNotice => ({
  ...{ id, rule, ...RULE_WORDS[rule], state: "open", count, events },
  ...{ openedAt: now.toISOString(), lastAt: new Date(lastAt).toISOString() },
});

/** The same of an alert that somebody changed; never their note. */
export const changedNotice = ({ id, rule, state, openedAt, lastAt, count, events }: Alert): AlertNotice => ({
  ...{ id, rule, ...RULE_WORDS[rule], state, count: Number(count), events },
  ...{ openedAt: openedAt.toISOString(), lastAt: lastAt.toISOString() },
});
