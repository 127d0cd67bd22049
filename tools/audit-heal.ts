import { userInfo } from "node:os";
import { createInterface } from "node:readline/promises";
import { type HealedLog, heal, openHealedLog, type Plan, planHealing } from "@medvault/audit-service/healing";
import { openKeyring } from "@medvault/keys";
import { createPool, DatabaseUnavailable } from "@medvault/postgres";
import { AuditHealConfig } from "./config.ts";
import { command, type Outcome, type Output, UsageError } from "./lib/command.ts";
import { DatabaseAway, findInstallation, trusted } from "./lib/installation.ts";
import { keyFileIn } from "./lib/key-files.ts";

const WORD = "heal";
/** One tile of the log may be read from a slow disk; a count of a whole day takes its time. */
const POOL = { applicationName: "medvault-audit-heal", max: 3, statementTimeoutMs: 120_000 };

/** In the order in which they are said. */
const WORDS = {
  edited: "rows that were changed: put back from their bodies; what was there goes into quarantine",
  missing: "rows that are gone: put back from the bodies outside",
  foreign: "rows that no writer of this log appended: into quarantine",
  moved: "entries that no checkpoint covers, behind one that is gone: they close up",
  restored: "entries that no checkpoint covers and that are gone: put back from the bodies outside",
  numbers: "table of what arrived: counted again from the entries",
  bundles: "bundles of bodies outside: made again from the log",
  tiles: "tiles outside: made again",
  forged: "rows of the history that this log's key did not sign: into quarantine",
  checkpoint: "the checkpoint outside: written again from the history",
  vkey: "audit.vkey outside: written again",
  bodiless: "entries whose bodies are nowhere: their leaves stand, and what they said cannot be put back",
  gone: "entries that are nowhere: they cannot be put back, and the writer will refuse. Put the store outside back from a backup",
} as const;

await command({
  name: "audit-heal",
  help: `Brings the audit log back to its last honest checkpoint (docs/audit-log.md, "Healing").

  npm run audit:heal              says what is wrong and what it would do; changes nothing
  npm run audit:heal -- --act     does it, once you have typed the word it asks for

  Rows that no writer of this log appended go into quarantine (audit.quarantine), where they stay. Entries that were signed and
  are missing or changed are put back from their sealed bodies, in the log or outside; files outside are made again, and
  those that were there are kept in its folder quarantine. Entries that no checkpoint covers yet stay; they close up where one is gone.
  Nothing is believed before it gives the root that was signed. An event says what was done, and by whom.

  It needs the role that owns the schemas and audit's key file, and refuses while an audit service holds the log: stop all of
  them first. Take a backup before. Ended in the middle, run it again.`,
  options: { act: { type: "boolean", default: false } },
  settings: AuditHealConfig,
  run: async ({ values, settings, output }) => {
    const found = findInstallation(settings);
    const directory = settings.MEDVAULT_AUDIT_DIR ?? found.auditDir;
    const ownerUrl = settings.MEDVAULT_OWNER_DATABASE_URL ?? found.ownerUrl;
    const { keysDir } = found;
    if (!directory || !ownerUrl || !keysDir) {
      throw new UsageError(
        "nothing says where the log is: set MEDVAULT_DATA, or MEDVAULT_OWNER_DATABASE_URL, MEDVAULT_AUDIT_DIR and MEDVAULT_KEYS_DIR.",
      );
    }
    const tls = await trusted(settings);
    const pool = createPool({ connectionString: ownerUrl, tls, schema: "audit", ...POOL });
    try {
      const keyring = await openKeyring(pool, { service: "audit", keysFile: keyFileIn(keysDir, "audit") });
      const origin = settings.MEDVAULT_AUDIT_ORIGIN;
      const log = await openHealedLog(pool, keyring, { directory, origin });
      return await run(log, values.act, output);
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable)) throw error;
      throw new DatabaseAway(`the database does not answer at ${new URL(ownerUrl).host}: start it.`);
    } finally {
      await pool.end();
    }
  },
});

async function run(log: HealedLog, act: boolean, output: Output): Promise<Outcome> {
  const plan = await planHealing(log);
  const lines = linesOf(plan);
  if (!plan.isToDo) {
    const isWhole = plan.found.size === 0;
    const end = isWhole ? `Nothing is wrong with the ${plan.size} entries.` : "Nothing more can be put back.";
    return { lines: [...lines, end], result: resultOf(plan), ok: isWhole };
  }
  if (!act) {
    const end = "Nothing was changed. With --act this is done.";
    return { lines: [...lines, end], result: resultOf(plan), ok: false };
  }
  for (const line of lines) output.say(line);
  await requireWord();
  const stretches = Math.ceil(plan.signed / 256);
  const by = userInfo().username;
  const after = await heal(log, by, (done) => output.progress("entries", (done + 1) * 256, stretches * 256));
  const left = linesOf(after);
  const end = after.isToDo
    ? "Something changed the log meanwhile: find out who, and run this again."
    : `The log is healed: ${after.size} entries, of which ${after.signed} are signed. Start the audit services.`;
  return { lines: [...left, end], result: resultOf(after), ok: !after.isToDo && after.found.size === 0 };
}

async function requireWord(): Promise<void> {
  process.stderr.write(`Type ${WORD} to do this, anything else to leave it: `);
  const lines = createInterface({ input: process.stdin });
  const typed = await new Promise<string>((resolve) => {
    lines.once("line", resolve);
    lines.once("close", () => resolve(""));
  });
  lines.close();
  if (typed.trim() !== WORD) throw new UsageError(`nothing was changed: the word was not ${WORD}.`);
}

function linesOf({ signed, found }: Plan): string[] {
  const kinds = Object.keys(WORDS) as (keyof typeof WORDS)[];
  const lines = kinds.flatMap((kind) => {
    const one = found.get(kind);
    if (one === undefined) return [];
    const ranges = one.ranges.map(([from, to]) => (from === to ? `${from}` : `${from} to ${to}`)).join(", ");
    return [`${one.count} ${WORDS[kind]} (${ranges}${isCut(one) ? ", …" : ""})`];
  });
  return [`The last honest checkpoint covers ${signed} entries.`, ...lines];
}

function isCut({ count, ranges }: { count: number; ranges: readonly [number, number][] }): boolean {
  return ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0) < count;
}

function resultOf({ signed, size, found }: Plan): object {
  return { signed, size, found: Object.fromEntries(found) };
}
