import { type TrialResult, thresholdsOf, tryRules } from "@medvault/audit-service/alerts";
import { AuditConfig } from "@medvault/audit-service/config";
import { AlertRule } from "@medvault/contracts";
import { openLocations } from "@medvault/service-kit";
import { KeysConfig } from "./config.ts";
import { withKeyring } from "./keys/work.ts";
import { command, type Outcome, UsageError } from "./lib/command.ts";
import { findInstallation } from "./lib/installation.ts";

const MS = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };
/** Alerts that are shown of each rule; --json has them all. */
const SHOWN = 10;

await command({
  name: "audit:alerts",
  help: `What the alert rules would have found in the past of the audit log, by the service's defaults or other thresholds.

  npm run audit:alerts -- --since 30d --dry-run

  --since <time>         from when on: 12h, 30d, 8w, or 2026-11-01T00:00:00Z
  --dry-run              reads and writes nothing; there is no other way to run it
  --rule <rule>          this rule alone (again for more of them)
  --set <name>=<value>   another threshold, by the name of the audit service's setting, such as
                         MEDVAULT_ALERT_DENIALS=5 (again for more of them)
  --geoip <file>         where addresses are (MEDVAULT_GEOIP_FILE), for new countries and impossible travel

  Habits are learnt from the same time on. What is no event is not in the past: a writer that refuses, a checkpoint, a
  backup or a key that is overdue, and who is related to whom.`,
  options: {
    since: { type: "string" },
    "dry-run": { type: "boolean", default: false },
    rule: { type: "string", multiple: true },
    set: { type: "string", multiple: true },
    geoip: { type: "string" },
  },
  settings: KeysConfig,
  run: async ({ values, settings, output }) => {
    if (!values["dry-run"]) throw new UsageError("say --dry-run: audit:alerts only tries, and never writes.");
    const since = timeOf(values.since);
    const asked = values.rule?.map(ruleOf) ?? [];
    const thresholds = settingsOf(Object.fromEntries((values.set ?? []).map(thresholdOf)));
    const locate = values.geoip === undefined ? null : await openLocations(values.geoip);
    const progress = (done: number, total: number) => output.progress("entries", done, total);
    const trial = { since, rules: asked, settings: thresholds, locate, progress };
    const result = await withKeyring(findInstallation(settings), "audit", ({ pool }, keyring) =>
      tryRules(pool, keyring, trial),
    );
    return shown(since, result);
  },
});

function settingsOf(given: Readonly<Record<string, string>>) {
  try {
    return thresholdsOf(AuditConfig.shape, given);
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(`${error.message}.`) : error;
  }
}

function timeOf(text: string | undefined): Date {
  const [, count, unit] = /^(\d{1,4})([hdw])$/.exec(text ?? "") ?? [];
  const at =
    unit === undefined
      ? new Date(text ?? "")
      : new Date(Date.now() - Number(count) * MS[unit as keyof typeof MS]);
  if (text !== undefined && !Number.isNaN(at.getTime())) return at;
  throw new UsageError("--since needs a time: 12h, 30d, 8w, or 2026-11-01T00:00:00Z.");
}

function ruleOf(text: string): AlertRule {
  const rule = AlertRule.safeParse(text);
  if (rule.success) return rule.data;
  throw new UsageError(`there is no rule ${text}: it is one of ${AlertRule.options.join(", ")}.`);
}

function thresholdOf(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new UsageError(`--set ${text} needs a name and a value, such as MEDVAULT_ALERT_DENIALS=5.`);
}

function shown(since: Date, { entries, alerts, rules }: TrialResult): Outcome {
  const lines = rules.flatMap((rule) => {
    const found = alerts.filter((alert) => alert.rule === rule);
    const more = found.length - SHOWN;
    return [
      `${rule}: ${found.length === 0 ? "none" : `${found.length} (${found[0]?.severity})`}`,
      ...found.slice(0, SHOWN).map(({ firstAt, count, why }) => `  ${firstAt} ${count}× ${why}`),
      ...(more > 0 ? [`  and ${more} more (--json shows all)`] : []),
    ];
  });
  const summary = `${alerts.length} alerts of ${rules.length} rules in ${entries} entries since ${since.toISOString()}. Nothing was written.`;
  return { lines: [...lines, summary], result: { since: since.toISOString(), entries, rules, alerts } };
}
