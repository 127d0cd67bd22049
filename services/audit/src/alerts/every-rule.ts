import type { Locate } from "@medvault/service-kit";
import { attacks, denials } from "./attack-rules.ts";
import { chartRules } from "./chart-rules.ts";
import { manyPatients, unusualHour } from "./habit-rules.ts";
import { placeRules } from "./place-rules.ts";
import type { Rule } from "./rule.ts";
import { sessionRules } from "./session-rules.ts";
import type { AlertSettings } from "./settings.ts";
import { failedSignIns } from "./sign-in-rules.ts";
import { systemRules } from "./system-rules.ts";

/** All rules, with these thresholds; those of places where somebody knows where addresses are. */
export const rulesOf = (settings: AlertSettings, locate: Locate | null): Rule[] => [
  ...failedSignIns(settings),
  denials(settings),
  ...attacks(settings),
  ...sessionRules(),
  ...(locate ? placeRules(settings, locate) : []),
  ...chartRules(),
  manyPatients(settings),
  unusualHour(settings),
  ...systemRules(settings),
];
