import { type AlertRule, newId } from "@medvault/contracts";
import { type Keyring, tableKey } from "@medvault/keys";
import { type Db, withClient } from "@medvault/postgres";
import type { Locate } from "@medvault/service-kit";
import type pg from "pg";
import { createBodySeal } from "../log/body-seal.ts";
import { rowsFrom, tableSize } from "../log/log.store.ts";
import { factOf } from "./detection.service.ts";
import { rulesOf } from "./every-rule.ts";
import { type Findings, judge, noFindings, type OpenedAlert, type Rule } from "./rule.ts";
import type { AlertSettings } from "./settings.ts";
import { firstSince } from "./trial.store.ts";
import { createWindowCache } from "./window-cache.ts";
import { RULE_WORDS } from "./words.ts";

export { thresholdsOf } from "./settings.ts";

const BATCH = 1_000;
/** Windows that a trial holds: far more than a service does, since nothing is behind them. */
const MAX_WINDOWS = 1_000_000;

export interface Trial {
  readonly since: Date;
  /** These rules alone; empty: all. */
  readonly rules: readonly AlertRule[];
  readonly settings: AlertSettings;
  readonly locate: Locate | null;
  progress(done: number, total: number): void;
}

export interface TrialAlert extends Pick<OpenedAlert, "rule" | "why" | "count" | "events"> {
  readonly severity: string;
  readonly firstAt: string;
  readonly lastAt: string;
}

export interface TrialResult {
  readonly entries: number;
  /** Alerts that would have been opened, oldest first. */
  readonly alerts: readonly TrialAlert[];
  readonly rules: readonly AlertRule[];
}

/**
 * Shows the rules the log again from a time on, as the service would, and writes nothing: the
 * database refuses it. States that are no event, and who is related to whom, are not in the past.
 */
export function tryRules(pool: pg.Pool, keyring: Keyring, trial: Trial): Promise<TrialResult> {
  return withClient(pool, async (client) => {
    await client.query("set default_transaction_read_only = on");
    try {
      return await readOn(client, keyring, trial);
    } finally {
      await client.query("reset default_transaction_read_only");
    }
  });
}

async function readOn(db: Db, keyring: Keyring, trial: Trial): Promise<TrialResult> {
  const all = rulesOf(trial.settings, trial.locate);
  const rules = all.filter(({ name }) => trial.rules.length === 0 || trial.rules.includes(name));
  const [size, from] = [await tableSize(db), await firstSince(db, trial.since)];
  const findings = noFindings();
  if (from === null) return resultOf(0, findings, rules);
  const seal = createBodySeal(await tableKey(db, keyring, "log"));
  const memory = createWindowCache(MAX_WINDOWS);
  let [next, entries] = [from, 0];
  for (;;) {
    const rows = await rowsFrom(db, next, size, BATCH);
    const facts = rows.map((row) => factOf(seal, row)).filter(({ at }) => at >= trial.since.getTime());
    for (const fact of facts) {
      for (const rule of rules) {
        const occurrence = rule.occurrence(fact);
        if (occurrence) judge({ memory, findings, newId }, rule, fact, occurrence);
      }
    }
    memory.settle();
    entries += facts.length;
    const last = rows.at(-1);
    if (last === undefined) return resultOf(entries, findings, rules);
    next = last.idx + 1;
    trial.progress(next - from, size - from);
  }
}

function resultOf(entries: number, { opened }: Findings, rules: readonly Rule[]): TrialResult {
  const alerts = [...opened.values()].sort((a, b) => a.firstAt - b.firstAt);
  return {
    entries,
    rules: rules.map(({ name }) => name),
    alerts: alerts.map(({ rule, why, count, events, firstAt, lastAt }) => ({
      ...{ rule, severity: RULE_WORDS[rule].severity, why, count, events },
      ...{ firstAt: new Date(firstAt).toISOString(), lastAt: new Date(lastAt).toISOString() },
    })),
  };
}
