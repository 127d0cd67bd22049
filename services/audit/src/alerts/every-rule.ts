import { attacks, denials } from "./act-rules.ts";
import type { Rule } from "./rule.ts";
import type { AlertSettings } from "./settings.ts";
import { failedSignIns } from "./sign-in-rules.ts";

/** All rules, with these thresholds. */
export const rulesOf = (settings: AlertSettings): Rule[] => [
  ...failedSignIns(settings),
  denials(settings),
  ...attacks(settings),
];
