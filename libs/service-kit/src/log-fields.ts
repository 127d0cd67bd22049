/**
 * The only fields that can get into a log line; all else is dropped, at any depth. (A deny-list
 * forgets new secrets.) Ids, codes, names, counts and durations; nothing that a person wrote.
 */
const LOG_FIELDS: ReadonlySet<string> = new Set([
  "action",
  "actorId",
  "adminPort",
  "attempt",
  "backoffMs",
  "backupId",
  "batch",
  "bytes",
  "code",
  "component",
  "constraint",
  "count",
  "durationMs",
  "epoch",
  "event",
  "eventId",
  "eventType",
  "failed",
  "file",
  "host",
  "index",
  "instance",
  "job",
  "keyVersion",
  "kid",
  "kind",
  "lagSeconds",
  "limit",
  "method",
  "migration",
  "name",
  "oldestSeconds",
  "outcome",
  "pending",
  "pid",
  "port",
  "queue",
  "reason",
  "requestId",
  "role",
  "route",
  "routingKey",
  "rows",
  "sequence",
  "service",
  "signal",
  "size",
  "source",
  "state",
  "status",
  "subject",
  "table",
  "tls",
  "traceId",
  "treeSize",
  "upstream",
  "validTo",
  "version",
]);

const MAX_TEXT = 300;
const MAX_CAUSES = 5;
const MAX_FAULTS = 100;
/** How a lost key file is put back takes some words. */
const MAX_FAULT = 1_000;

type Fields = Record<string, unknown>;

/** The allowed, scalar fields of `given`; `err` becomes what `errorFields` leaves of it. */
export function allowedFields(given: Fields): Fields {
  const kept: Fields = {};
  for (const [name, value] of Object.entries(given)) {
    if (name === "err" || name === "error") {
      const fields = errorFields(value);
      if (fields) kept.err = fields;
    } else if (name === "faults" && Array.isArray(value)) {
      kept.faults = value.slice(0, MAX_FAULTS).map(faultFields);
    } else if (LOG_FIELDS.has(name)) {
      const scalar = scalarOf(value);
      if (scalar !== undefined) kept[name] = scalar;
    }
  }
  return kept;
}

/** Of a start that was refused: a setting, and what to do with it. */
function faultFields({ setting, fault }: Fields): Fields {
  return { setting: scrub(String(setting)), fault: scrub(String(fault), MAX_FAULT) };
}

function scalarOf(value: unknown): string | number | boolean | null | undefined {
  if (typeof value === "string") return scrub(value);
  if (typeof value === "number" || typeof value === "boolean" || value === null) return value;
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  return undefined;
}

/**
 * Class, codes, stack and causes of an error. Its message only if it is our refusal (a fixed text)
 * or the system's (`connect ECONNREFUSED 127.0.0.1:5432`): a database's quotes the value.
 */
function errorFields(error: unknown, depth = 0): Fields | undefined {
  if (!(error instanceof Error) || depth >= MAX_CAUSES) return undefined;
  const given = error as Error & Fields;
  const { code, kind, syscall } = given;
  const fields: Fields = { name: scrub(error.name) };
  if (typeof code === "string" || typeof code === "number") fields.code = scalarOf(code);
  for (const name of ["kind", "constraint", "table", "routine"]) {
    if (typeof given[name] === "string") fields[name] = scrub(given[name]);
  }
  const ours = typeof code === "string" && typeof kind === "string";
  const systems = typeof code === "string" && typeof syscall === "string";
  if (ours || systems || error.name === "ConfigError") fields.message = scrub(error.message);
  const frames = ours ? [] : framesOf(error); // a refusal's code is enough
  if (frames.length > 0) fields.frames = frames;
  const cause = errorFields(error.cause, depth + 1);
  if (cause) fields.cause = cause;
  return fields;
}

/** The stack without its first lines: those repeat the message. */
function framesOf(error: Error): string[] {
  return (error.stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at .*(:\d+:\d+\)?|<anonymous>\)?|native\)?)$/.test(line))
    .slice(0, 12)
    .map((line) => line.trim().slice(0, MAX_TEXT));
}

const TOKENS =
  /eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*){0,4}|\b(Bearer|Basic)\s+\S+|(:\/\/[^\s:/@]*:)[^\s@]+@|-----BEGIN[\s\S]*/gi;

/** A last net under the allow-list: cuts tokens, passwords in URLs, and long text. */
export function scrub(text: string, most = MAX_TEXT): string {
  const clean = text.replace(TOKENS, (_all, _token, _scheme, url: string | undefined) =>
    url ? `${url}*@` : "[cut]",
  );
  return clean.length > most ? `${clean.slice(0, most)}…` : clean;
}
