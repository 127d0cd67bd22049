// A migration runs while the version before still serves (docs/upgrading.md): what would break its
// statements, or hold its writes up for as long as a table is large, is refused.
import fs from "node:fs";
import path from "node:path";

/** What stands in quotes, functions and comments is no statement of the file. */
const OPAQUE = /'(?:[^']|'')*'|"[^"]*"|\$([A-Za-z_]*)\$[\s\S]*?\$\1\$|--[^\n]*|\/\*[\s\S]*?\*\//g;
/** By which a file says how long its locks are held: `-- Locks: claims, 2 s for a million rows`. */
const SAYS_LOCKS = /^-- Locks: \S.{10,}/m;
const VOLATILE =
  /\bdefault \(?(gen_random_uuid|clock_timestamp|random|nextval|uuidv7)\b|\b(big|small)?serial\b/;

interface Rule {
  readonly name: string;
  readonly why: string;
  /** Whether a part of a statement does it; `file` is the whole text. */
  readonly isBroken: (part: string, file: string) => boolean;
}

const RULES: readonly Rule[] = [
  {
    name: "drop",
    why: "the version before still uses it: leave it until the version after the last that reads it",
    isBroken: (part) =>
      /\bdrop (table|view|materialized view|column|function|procedure|type|schema|constraint|index|trigger|default)\b/.test(
        part,
      ),
  },
  {
    name: "rename",
    why: "the version before knows the old name: add the new one beside it",
    isBroken: (part) => /\brename (to|column|constraint|\w+ to)\b/.test(part),
  },
  {
    name: "type",
    why: "the table is written again under a lock, and the version before reads the old type: add a column",
    isBroken: (part) => /\balter (column )?\w+ (set data )?type\b/.test(part),
  },
  {
    name: "not-null",
    why: "the version before writes rows without it: give it a default, or leave it null",
    isBroken: (part) =>
      /\bset not null\b/.test(part) ||
      (/\badd (column )?\w+ .*(?<!is )not null\b/.test(part) && !/\b(default|generated)\b/.test(part)),
  },
  {
    name: "constraint",
    why: "the whole table is read under a lock: add it `not valid`, and validate it in the next version",
    isBroken: (part) =>
      /\badd (constraint|unique|primary key|foreign key|check)\b/.test(part) && !/\bnot valid\b/.test(part),
  },
  {
    name: "rewrite",
    why: "each row gets a value of its own, so the table is written again under a lock: fill it in a job",
    isBroken: (part) => /\badd (column )?\w+/.test(part) && VOLATILE.test(part),
  },
  {
    name: "lock",
    why: "writes wait for it, longer the larger the table: say in the file how long (-- Locks: …)",
    isBroken: (part, file) =>
      (/^create (unique )?index\b/.test(part) || /^(truncate|lock|cluster|vacuum|reindex)\b/.test(part)) &&
      !SAYS_LOCKS.test(file),
  },
];

interface Exception {
  readonly file: string;
  readonly rules: readonly string[];
  readonly why: string;
}

const small = "the table has a row for each account, key or backup";
const unreleased = "before the first release; rehearsed under traffic since (npm run rehearse:upgrade)";
/** What is right all the same, or was applied before there was the rule: applied files never change. */
const EXCEPTIONS: readonly Exception[] = [
  { file: "libs/keys/migrations/0002_service_key_versions.sql", rules: ["lock"], why: small },
  {
    file: "services/audit/migrations/0003_action.sql",
    rules: ["lock"],
    why: "events wait in RabbitMQ meanwhile",
  },
  {
    file: "services/audit/migrations/0012_log_partitions.sql",
    rules: ["rename"],
    why: "the log has its old name again before the file ends: a partitioned table with the old one in it",
  },
  { file: "services/auth/migrations/0002_claimed_addresses.sql", rules: ["lock"], why: small },
  { file: "services/auth/migrations/0006_waiting_addresses.sql", rules: ["lock"], why: small },
  { file: "services/auth/migrations/0008_few_users.sql", rules: ["lock"], why: small },
  { file: "services/auth/migrations/sys/0002_devices_and_mails.sql", rules: ["lock"], why: small },
  {
    ...{ file: "services/auth/migrations/sys/0006_objections.sql", rules: ["drop", "constraint"] },
    why: "a check that allows one word more, on links that live for days",
  },
  { file: "services/auth/migrations/sys/0008_session_roles.sql", rules: ["lock"], why: small },
  { file: "services/backup/migrations/0002_keysets.sql", rules: ["constraint"], why: small },
  { file: "services/records/migrations/0004_added_indexes.sql", rules: ["lock"], why: unreleased },
  {
    ...{
      file: "services/records/migrations/0011_fhir_source_rows.sql",
      rules: ["drop", "constraint", "lock"],
    },
    why: unreleased,
  },
  { file: "services/records/migrations/0013_in_order.sql", rules: ["lock"], why: unreleased },
  {
    ...{ file: "services/records/migrations/0014_search.sql", rules: ["drop", "lock"] },
    why: "an index, which comes back in the same file with one column more",
  },
  {
    ...{ file: "services/records/migrations/0015_no_tokens.sql", rules: ["drop", "type"] },
    why: "takes away what Postgres must not know, and says so: every process of the version before stops first",
  },
  { file: "services/records/migrations/0016_lists.sql", rules: ["lock"], why: unreleased },
];

/**
 * Checks every migration under `root`.
 * @returns one sentence per breach, naming file and rule; also for an exception that nothing needs
 */
export function migrationBreaches(root: string, exceptions = EXCEPTIONS): string[] {
  const named = (file: string, rule: string) =>
    exceptions.some((one) => one.file === file && one.rules.includes(rule));
  const all = filesIn(root).flatMap((file) =>
    breachesIn(fs.readFileSync(path.join(root, file), "utf8")).map((breach) => ({ file, ...breach })),
  );
  const stale = exceptions.flatMap(({ file, rules }) =>
    rules
      .filter((rule) => !all.some((one) => one.file === file && one.name === rule))
      .map((rule) => `dev/check/migrations.ts: nothing in ${file} needs its exception of "${rule}"`),
  );
  const breaches = all.filter(({ file, name }) => !named(file, name));
  return [...breaches.map(({ file, name, table, why }) => `${file}: ${name} (${table}): ${why}`), ...stale];
}

/** Every rule that a file breaks, once for each table; tables that it makes itself are nobody's yet. */
export function breachesIn(sql: string): { name: string; why: string; table: string }[] {
  const statements = sql
    .replace(OPAQUE, (text) => (/^['"]/.test(text) ? "x" : " "))
    .toLowerCase()
    .split(";")
    .map((statement) => statement.replace(/\s+/g, " ").trim());
  const made = new Set(
    statements.flatMap(
      (one) => /^create (?:unlogged )?table (?:if not exists )?([\w.]+)/.exec(one)?.[1] ?? [],
    ),
  );
  const found = new Map<string, { name: string; why: string; table: string }>();
  for (const statement of statements) {
    const table = tableOf(statement);
    if (made.has(table)) continue;
    for (const part of partsOf(statement))
      for (const { name, why, isBroken } of RULES)
        if (isBroken(part, sql)) found.set(`${name} ${table}`, { name, why, table });
  }
  return [...found.values()];
}

function tableOf(statement: string): string {
  const patterns = [
    /^alter table (?:if exists )?(?:only )?([\w.]+)/,
    /^create (?:unique )?index (?:if not exists )?(?:\w+ )?on (?:only )?([\w.]+)/,
    /^(?:drop \w+(?: view)?|truncate(?: table)?|lock(?: table)?|reindex \w+|cluster|vacuum) (?:if exists )?([\w.]+)/,
  ];
  return patterns.map((pattern) => pattern.exec(statement)?.[1]).find(Boolean) ?? "";
}

/** The actions of an alter table, each by itself: commas outside of brackets separate them. */
function partsOf(statement: string): string[] {
  if (!/^(alter|create|drop|truncate|lock|cluster|vacuum|reindex)\b/.test(statement)) return [];
  if (!statement.startsWith("alter table")) return [statement];
  let depth = 0;
  const parts = [""];
  for (const sign of statement) {
    if (sign === "(") depth += 1;
    if (sign === ")") depth -= 1;
    if (sign === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += sign;
  }
  return parts;
}

function filesIn(root: string): string[] {
  const patterns = ["{libs,services}/*/migrations/*.sql", "{libs,services}/*/migrations/sys/*.sql"];
  return fs.globSync(patterns, { cwd: root }).toSorted();
}
